use std::time::Duration;

use hardstop_domain::*;
use hardstop_store::*;
use uuid::Uuid;

use crate::fixture::*;

fn new(text: &str) -> NewToken {
    NewToken {
        id: TokenId(Uuid::now_v7()),
        name: text.to_owned(),
        hash: Digest::of(text.as_bytes()),
        scopes: [Scope::Read, Scope::Deploy].into_iter().collect(),
        actor: "ada".to_owned(),
        time: None,
    }
}

async fn found(db: &Fixture, id: TokenId) -> Option<Token> {
    Some(db.store.find_token(id).await.unwrap().token?.0)
}

pub async fn a_token_is_found_until_it_is_revoked(db: Fixture) {
    let nothing = db.store.find_token(TokenId(Uuid::nil())).await.unwrap();
    assert_eq!((nothing.any, nothing.token), (false, None));
    assert_eq!(db.store.usable_tokens().await.unwrap(), 0);
    let token = new("ci");
    let made = db.store.put_token(token.clone()).await.unwrap();
    assert_eq!(
        (made.id, &made.name, &made.scopes, &made.actor),
        (token.id, &token.name, &token.scopes, &token.actor)
    );
    assert!(made.is_usable());
    let seen = db.store.find_token(token.id).await.unwrap();
    assert_eq!(seen.token, Some((made.clone(), token.hash)));
    assert_eq!(db.store.usable_tokens().await.unwrap(), 1);
    let other = db.store.find_token(TokenId(Uuid::nil())).await.unwrap();
    assert_eq!((other.any, other.token), (true, None));

    let revoked = db.store.revoke_token(token.id).await.unwrap().unwrap();
    assert!(revoked.revoked_at.is_some() && !revoked.is_usable());
    assert_eq!(db.store.revoke_token(token.id).await.unwrap(), None);
    assert_eq!(found(&db, token.id).await, Some(revoked));
    assert_eq!(db.store.usable_tokens().await.unwrap(), 0);
    // It was there: the host stays closed.
    assert!(db.store.find_token(token.id).await.unwrap().any);
}

pub async fn a_token_expires_by_the_databases_clock(db: Fixture) {
    let short = NewToken {
        time: Some(Duration::from_millis(1)),
        ..new("short")
    };
    let made = db.store.put_token(short.clone()).await.unwrap();
    let end = made.expires_at.unwrap();
    assert_eq!(end.since(made.created_at), Duration::from_millis(1));
    while !found(&db, short.id).await.unwrap().expired {
        tokio::task::yield_now().await;
    }
    assert_eq!(db.store.usable_tokens().await.unwrap(), 0);
    let long = NewToken {
        time: Some(Duration::from_secs(3_600)),
        ..new("long")
    };
    db.store.put_token(long.clone()).await.unwrap();
    assert!(found(&db, long.id).await.unwrap().is_usable());
}

pub async fn tokens_are_listed_newest_first(db: Fixture) {
    let mut ids = Vec::new();
    for number in 0..5 {
        let token = new(&number.to_string());
        ids.insert(0, token.id);
        db.store.put_token(token).await.unwrap();
    }
    let list = async |before, limit| -> Vec<TokenId> {
        let page = db.store.tokens(before, limit).await.unwrap();
        page.into_iter().map(|token| token.id).collect()
    };
    assert_eq!(list(None, 3).await, ids[..3]);
    assert_eq!(list(Some(ids[2]), 3).await, ids[3..]);
    for limit in [0, TOKEN_LIMIT_MAX + 1] {
        let refused = db.store.tokens(None, limit).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{limit}");
    }
}

pub async fn tokens_that_cannot_be_are_refused(db: Fixture) {
    for token in [
        NewToken {
            name: String::new(),
            ..new("a")
        },
        NewToken {
            name: "x".repeat(TOKEN_NAME_BYTES_MAX + 1),
            ..new("a")
        },
        NewToken {
            name: "a\0b".to_owned(),
            ..new("a")
        },
        NewToken {
            actor: String::new(),
            ..new("a")
        },
        NewToken {
            scopes: Scopes::default(),
            ..new("a")
        },
        NewToken {
            time: Some(Duration::ZERO),
            ..new("a")
        },
        NewToken {
            time: Some(Duration::MAX),
            ..new("a")
        },
    ] {
        let refused = db.store.put_token(token.clone()).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{token:?}");
    }
    assert!(!db.store.find_token(TokenId(Uuid::nil())).await.unwrap().any);
}
