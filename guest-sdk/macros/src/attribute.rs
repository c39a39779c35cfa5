//! What stands in the parentheses of `#[job(...)]`, and what the doc comment above it says.

use proc_macro2::{Span, TokenStream};
use syn::parse::Parser;
use syn::{Attribute, Error, Expr, ExprLit, Ident, Lit, LitStr, Meta, Result};

/// The longest name of a job type, in bytes: the rule of `job-type.name` in `wit/types.wit`.
const NAME_BYTES_MAX: usize = 64;

/// The options of one handler.
#[derive(Default)]
pub struct Options {
    name: Option<LitStr>,
    description: Option<LitStr>,
}

impl Options {
    /// Reads `name = "...", description = "..."`, each of which may be left out.
    pub fn parse(arguments: TokenStream) -> Result<Self> {
        let mut options = Self::default();
        let parser = syn::meta::parser(|meta| {
            let slot = if meta.path.is_ident("name") {
                &mut options.name
            } else if meta.path.is_ident("description") {
                &mut options.description
            } else {
                return Err(meta.error("unknown option: `job` takes `name` and `description`"));
            };
            if slot.is_some() {
                return Err(meta.error("given twice"));
            }
            *slot = Some(meta.value()?.parse()?);
            Ok(())
        });
        parser.parse2(arguments)?;
        Ok(options)
    }

    /// The job type's name: the one given, or the function's with dashes for underscores.
    pub fn type_name(&self, function: &Ident) -> Result<String> {
        let (name, span) = match &self.name {
            Some(literal) => (literal.value(), literal.span()),
            None => {
                let text = function.to_string();
                let text = text.strip_prefix("r#").unwrap_or(&text);
                (text.replace('_', "-"), function.span())
            }
        };
        check_name(&name, span)?;
        Ok(name)
    }

    /// The job type's description: the one given, or the first paragraph of the doc comment.
    pub fn description(&self, attributes: &[Attribute]) -> String {
        match &self.description {
            Some(literal) => literal.value(),
            None => first_paragraph(attributes),
        }
    }
}

fn check_name(name: &str, span: Span) -> Result<()> {
    let valid = name.len() <= NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'));
    if valid {
        return Ok(());
    }
    Err(Error::new(
        span,
        format!(
            "`{name}` cannot name a job type: 1 to {NAME_BYTES_MAX} of a-z, 0-9, `-`, `_` and `.`, \
             beginning with a letter; set another with `#[job(name = \"...\")]`"
        ),
    ))
}

/// The lines of the doc comment up to the first empty one, joined by blanks.
fn first_paragraph(attributes: &[Attribute]) -> String {
    let mut paragraph = String::new();
    let lines = attributes.iter().filter_map(doc_text);
    for line in lines.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()) {
        let line = line.trim();
        if line.is_empty() {
            if paragraph.is_empty() {
                continue;
            }
            break;
        }
        if !paragraph.is_empty() {
            paragraph.push(' ');
        }
        paragraph.push_str(line);
    }
    paragraph
}

/// The text of a `#[doc = "..."]`, which is what a `///` line becomes. An empty line is one too.
fn doc_text(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(meta) = &attribute.meta else {
        return None;
    };
    if !meta.path.is_ident("doc") {
        return None;
    }
    let Expr::Lit(ExprLit {
        lit: Lit::Str(text),
        ..
    }) = &meta.value
    else {
        return None;
    };
    let text = text.value();
    Some(if text.is_empty() {
        "\n".to_owned()
    } else {
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;
    use syn::parse_quote;

    fn options(arguments: TokenStream) -> Options {
        Options::parse(arguments).expect("options")
    }

    #[test]
    fn the_default_name_is_the_functions_with_dashes() {
        let name = options(quote!()).type_name(&parse_quote!(csv_report));
        assert_eq!(name.expect("a name"), "csv-report");
        let name = options(quote!()).type_name(&parse_quote!(r#loop));
        assert_eq!(name.expect("a name"), "loop");
    }

    #[test]
    fn a_given_name_is_taken_as_it_is() {
        let name = options(quote!(name = "acme.billing_v2")).type_name(&parse_quote!(bill));
        assert_eq!(name.expect("a name"), "acme.billing_v2");
    }

    #[test]
    fn a_name_that_the_host_would_refuse_does_not_compile() {
        let long = "a".repeat(65);
        for bad in ["", "Bill", "1bill", "bill it", long.as_str()] {
            let error = options(quote!(name = #bad))
                .type_name(&parse_quote!(bill))
                .expect_err("a bad name");
            assert!(
                error.to_string().contains("cannot name a job type"),
                "{error}"
            );
        }
    }

    #[test]
    fn the_description_is_the_first_paragraph() {
        let attributes: Vec<Attribute> = vec![
            parse_quote!(#[doc = " Sends the bill,"]),
            parse_quote!(#[doc = " and waits."]),
            parse_quote!(#[allow(dead_code)]),
            parse_quote!(#[doc = ""]),
            parse_quote!(#[doc = " Not this."]),
        ];
        assert_eq!(
            options(quote!()).description(&attributes),
            "Sends the bill, and waits."
        );
        assert_eq!(
            options(quote!(description = "Bills.")).description(&attributes),
            "Bills."
        );
        assert_eq!(options(quote!()).description(&[]), "");
    }

    #[test]
    fn unknown_and_doubled_options_are_errors() {
        for (arguments, message) in [
            (quote!(title = "x"), "`job` takes `name` and `description`"),
            (quote!(name = "a", name = "b"), "given twice"),
        ] {
            let error = Options::parse(arguments).err().expect("an error");
            assert!(error.to_string().contains(message), "{error}");
        }
    }
}
