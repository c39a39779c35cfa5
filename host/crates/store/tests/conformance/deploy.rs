use hardstop_domain::*;
use hardstop_store::*;

use crate::fixture::*;

pub async fn stores_the_component_and_its_types(db: Fixture) {
    assert_eq!(db.store.types().await.unwrap(), []);
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let new = deployment_of(&bytes, &["b-type", "a.type", "a_type"]);
    let digest = Digest::of(&bytes);
    let made = db.store.deploy(new.clone()).await.unwrap();
    assert_eq!(made.id, new.id);
    let names: Vec<_> = made.types.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["a.type", "a_type", "b-type"]);
    assert_eq!(
        db.store.component_bytes(digest).await.unwrap(),
        Some(bytes.clone())
    );
    assert_eq!(
        db.store
            .component_bytes(Digest::of(b"other"))
            .await
            .unwrap(),
        None
    );
    let [component] = &db.store.components().await.unwrap()[..] else {
        panic!()
    };
    assert_eq!((component.digest, component.size_bytes), (digest, 300_000));
    assert_eq!(
        component.created_at,
        made.created_at.min(component.created_at)
    );
    assert_eq!(
        component.types,
        [name("a.type"), name("a_type"), name("b-type")]
    );
    let types = db.another().await.types().await.unwrap();
    for (active, (id, name)) in types.iter().zip(&made.types) {
        assert_eq!((active.id, &active.spec.name), (*id, name));
        assert_eq!(
            (active.deployment, active.deployed_at),
            (new.id, made.created_at)
        );
        assert_eq!(active.spec, spec(name.as_str(), digest));
    }
    assert_eq!(types.len(), 3);
}

pub async fn a_later_deployment_replaces_the_specification(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    let mut new = deployment_of(b"another", &["c", "a"]);
    new.types[1].description = "does it better".to_owned();
    new.name = "renamed".to_owned();
    let made = db.store.deploy(new.clone()).await.unwrap();
    assert_eq!(made.types[0], (a, name("a")), "a name keeps its number");
    let types = db.store.types().await.unwrap();
    assert_eq!(types[0].spec.description, "does it better");
    assert_eq!((types[1].id, types[1].deployment == new.id), (b, false));
    let components = db.store.components().await.unwrap();
    let served: Vec<_> = components
        .iter()
        .map(|c| (c.name.as_str(), c.types.clone()))
        .collect();
    assert_eq!(
        served,
        [
            ("renamed", vec![name("a"), name("c")]),
            ("test", vec![name("b")])
        ]
    );
    // The same again is another deployment of the same component.
    let again = NewDeployment {
        id: deployment(&[]).id,
        ..new.clone()
    };
    db.store.deploy(again.clone()).await.unwrap();
    assert_eq!(db.store.components().await.unwrap().len(), 2);
    assert_eq!(db.store.types().await.unwrap()[0].deployment, again.id);
}

pub async fn what_contradicts_itself_is_refused(db: Fixture) {
    let spoils: [fn(&mut NewDeployment); 6] = [
        |new| new.component.as_mut().unwrap().bytes.push(0),
        |new| new.types[0].component = Some(Digest::of(b"other")),
        |new| new.types.push(new.types[0].clone()),
        |new| new.types[0].component = None,
        |new| new.component = None,
        |new| new.types[0].external = Some(External { deadline_ms: 1 }),
    ];
    for spoil in spoils {
        let mut new = deployment(&["a"]);
        spoil(&mut new);
        let error = db.store.deploy(new).await.unwrap_err();
        assert!(matches!(error, StoreError::Invalid(_)), "{error:?}");
    }
    assert_eq!(db.store.components().await.unwrap(), []);
}

pub async fn two_at_once_are_both_made(db: Fixture) {
    let other = db.another().await;
    for _ in 0..10 {
        let (one, two) = (deployment(&["a", "b", "c"]), deployment(&["c", "b", "a"]));
        let (one, two) = tokio::join!(db.store.deploy(one), other.deploy(two));
        assert_eq!(one.unwrap().types, two.unwrap().types);
    }
    assert_eq!(db.store.types().await.unwrap().len(), 3);
    other.close().await;
}

pub async fn files_are_stored_with_it(db: Fixture) {
    let bytes: Vec<u8> = (0..=255).cycle().take(200_000).collect();
    let (large, empty) = (Digest::of(&bytes), Digest::of(b""));
    let file = |digest, bytes| FileRef { digest, bytes };
    let mut new = deployment(&["a", "b"]);
    new.types[0].files = [
        ("/large".to_owned(), file(large, 200_000)),
        ("/other".to_owned(), file(large, 200_000)),
        ("/none".to_owned(), file(empty, 0)),
    ]
    .into();
    // What a type has must come with it, and be what it is said to be.
    let missing = db.store.deploy(new.clone()).await.unwrap_err().to_string();
    assert!(missing.contains("type `a` has a file"), "{missing}");
    new.files = [(large, bytes.clone()), (empty, b"x".to_vec())].into();
    let wrong = db.store.deploy(new.clone()).await.unwrap_err().to_string();
    assert!(
        wrong.contains("the file's bytes are not those of"),
        "{wrong}"
    );
    assert_eq!(db.store.types().await.unwrap(), []);
    new.files.insert(empty, Vec::new());
    for _ in 0..2 {
        new.id = deployment(&[]).id;
        db.store.deploy(new.clone()).await.unwrap();
    }
    let types = db.another().await.types().await.unwrap();
    assert_eq!(types[0].spec.files, new.types[0].files);
    assert!(types[1].spec.files.is_empty());
    assert_eq!(db.store.file_bytes(large).await.unwrap(), Some(bytes));
    assert_eq!(db.store.file_bytes(empty).await.unwrap(), Some(Vec::new()));
    let other = Digest::of(b"other");
    assert_eq!(db.store.file_bytes(other).await.unwrap(), None);
}
