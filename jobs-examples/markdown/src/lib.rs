//! HTML and a table of contents of a Markdown document.

use std::collections::BTreeMap;

use hardstop_guest::{Ctx, Failure};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A document.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Markdown: CommonMark with tables, footnotes, strikethrough and task lists.
    pub markdown: String,
}

/// The document as HTML.
#[derive(Deserialize, Serialize, JsonSchema)]
pub struct Output {
    /// The HTML of the document, without `<html>` or `<body>`. HTML in the document is shown as the
    /// text that it is.
    pub html: String,
    /// The headings, in order.
    pub headings: Vec<Heading>,
}

/// A heading.
#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct Heading {
    /// From 1 to 6.
    pub level: u8,
    /// The text, without markup.
    pub text: String,
    /// The `id` of the heading in the HTML: `#id` links to it.
    pub id: String,
}

/// Renders a Markdown document as HTML, gives every heading an id, and lists them.
#[hardstop_guest::job]
pub fn markdown(_ctx: &Ctx, input: Input) -> Result<Output, Failure> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS;
    let mut events: Vec<Event<'_>> = Parser::new_ext(&input.markdown, options)
        .map(harmless)
        .collect();
    let headings = name_headings(&mut events);
    let mut text = String::with_capacity(input.markdown.len() * 3 / 2);
    html::push_html(&mut text, events.into_iter());
    Ok(Output {
        html: text,
        headings,
    })
}

/// A document may come from anybody: its own HTML becomes text, and a link that would run a script
/// loses its target.
fn harmless(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
        Event::Start(Tag::Link {
            link_type,
            dest_url,
            title,
            id,
        }) => Event::Start(Tag::Link {
            link_type,
            dest_url: harmless_url(dest_url),
            title,
            id,
        }),
        Event::Start(Tag::Image {
            link_type,
            dest_url,
            title,
            id,
        }) => Event::Start(Tag::Image {
            link_type,
            dest_url: harmless_url(dest_url),
            title,
            id,
        }),
        other => other,
    }
}

/// Keeps relative targets and those of known schemes. Browsers skip blanks and control characters
/// in a scheme, so these are skipped here too.
fn harmless_url(url: CowStr<'_>) -> CowStr<'_> {
    let head: String = url
        .chars()
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .take_while(|c| !matches!(c, '/' | '?' | '#'))
        .collect();
    let harmless = match head.split_once(':') {
        None => true,
        Some((scheme, _)) => ["http", "https", "mailto"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known)),
    };
    if harmless { url } else { CowStr::Borrowed("") }
}

/// Gives every heading an id of its own, made from its text, and lists them.
fn name_headings(events: &mut [Event<'_>]) -> Vec<Heading> {
    let mut headings = Vec::new();
    let mut uses = BTreeMap::new();
    let mut start = None;
    for index in 0..events.len() {
        match &events[index] {
            Event::Start(Tag::Heading { .. }) => start = Some(index),
            Event::End(TagEnd::Heading(level)) => {
                let level = *level as u8;
                let Some(start) = start.take() else { continue };
                let text = plain_text(&events[start..index]);
                let name = unique(slug(&text), &mut uses);
                if let Event::Start(Tag::Heading { id, .. }) = &mut events[start] {
                    *id = Some(name.clone().into());
                }
                headings.push(Heading {
                    level,
                    text,
                    id: name,
                });
            }
            _ => {}
        }
    }
    headings
}

fn plain_text(events: &[Event<'_>]) -> String {
    let mut text = String::new();
    for event in events {
        match event {
            Event::Text(part) | Event::Code(part) => text.push_str(part),
            Event::SoftBreak | Event::HardBreak => text.push(' '),
            _ => {}
        }
    }
    text
}

/// Letters and digits in lower case, with a dash for whatever lies between them.
fn slug(text: &str) -> String {
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    if words.is_empty() {
        "section".to_owned()
    } else {
        words.join("-")
    }
}

/// Adds a number where the slug was there before.
fn unique(slug: String, uses: &mut BTreeMap<String, u32>) -> String {
    let mut name = slug.clone();
    while uses.contains_key(&name) {
        let count = uses.entry(slug.clone()).or_default();
        *count += 1;
        name = format!("{slug}-{count}");
    }
    uses.insert(name.clone(), 0);
    name
}

hardstop_guest::export!(markdown);

#[cfg(test)]
mod tests {
    use super::*;
    use hardstop_guest::Outcome;

    fn render(text: &str) -> Output {
        let input = Input {
            markdown: text.to_owned(),
        };
        markdown(&Ctx::for_test(), input)
            .map_err(|failure| failure.message)
            .expect("an output")
    }

    #[test]
    fn markup_becomes_html() {
        let output = render("Some *words*, ~~wrong~~ right.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n");
        assert!(output.html.contains("<em>words</em>"), "{}", output.html);
        assert!(output.html.contains("<del>wrong</del>"), "{}", output.html);
        assert!(output.html.contains("<td>1</td>"), "{}", output.html);
        assert_eq!(output.headings, []);
    }

    #[test]
    fn headings_are_listed_and_get_ids() {
        let output = render("# One `two`\n\n## Größe & Maß\n\nSetext\n------\n");
        let heading = |level, text: &str, id: &str| Heading {
            level,
            text: text.to_owned(),
            id: id.to_owned(),
        };
        assert_eq!(
            output.headings,
            [
                heading(1, "One two", "one-two"),
                heading(2, "Größe & Maß", "größe-maß"),
                heading(2, "Setext", "setext"),
            ]
        );
        assert!(
            output.html.contains("<h1 id=\"one-two\">"),
            "{}",
            output.html
        );
    }

    #[test]
    fn ids_are_unique() {
        let output = render("# A\n# A 1\n# A\n# !\n# ?\n# A\n");
        let ids: Vec<_> = output
            .headings
            .iter()
            .map(|heading| heading.id.as_str())
            .collect();
        assert_eq!(ids, ["a", "a-1", "a-2", "section", "section-1", "a-3"]);
    }

    #[test]
    fn a_document_cannot_bring_html_or_scripts() {
        let output = render(
            "<script>x()</script>\n\nWords <b onclick=x()>here</b> [link](javascript:x()) \
             ![i](  JavaScript:x())\n[two](<java\tscript:x()>) [fine](https://example.com/a:b) \
             [near](notes.md#a:b)",
        );
        assert!(!output.html.contains("<script"), "{}", output.html);
        assert!(!output.html.contains("<b "), "{}", output.html);
        assert!(
            !output.html.to_lowercase().contains("script:x"),
            "{}",
            output.html
        );
        assert!(
            output.html.contains("href=\"https://example.com/a:b\""),
            "{}",
            output.html
        );
        assert!(
            output.html.contains("href=\"notes.md#a:b\""),
            "{}",
            output.html
        );
    }

    #[test]
    fn an_empty_document_is_fine() {
        let output = render("");
        assert_eq!((output.html.as_str(), output.headings.len()), ("", 0));
    }

    #[test]
    fn the_sample_input_works() {
        let outcome = Ctx::for_test()
            .run::<markdown>(include_str!("../samples/input.json"))
            .expect("an outcome");
        let Outcome::Complete(output) = outcome else {
            panic!("not complete");
        };
        assert_eq!(output["headings"][0]["level"], 1);
        assert!(output["headings"].as_array().expect("a list").len() >= 6);
    }

    #[test]
    fn the_sample_input_is_the_sample_document() {
        let input: Input =
            serde_json::from_str(include_str!("../samples/input.json")).expect("JSON");
        assert_eq!(input.markdown, include_str!("../samples/document.md"));
    }
}
