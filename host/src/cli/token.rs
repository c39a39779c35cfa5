//! `hardstop token ...`: tokens of the HTTP API.

use std::process::ExitCode;

use hardstop_store::Token;

use super::args::TokenCommand;
use super::{Context, output};
use crate::error::Error;
use crate::service::TokenRequest;

pub async fn execute(context: &Context, command: TokenCommand) -> Result<ExitCode, Error> {
    let service = context.service(false);
    match command {
        TokenCommand::Create(args) => {
            let request = TokenRequest {
                name: args.name,
                scopes: args.scopes.into_iter().collect(),
                time: args.expires_in,
            };
            let made = service.create_token(request).await?;
            context.output.one(&made, || made.secret.clone());
            if context.output.is_human() {
                eprintln!(
                    "token {} ({}), {}; its secret is not shown again",
                    made.token.id,
                    made.token.scopes,
                    end(&made.token)
                );
            }
        }
        TokenCommand::List { before, limit } => {
            let tokens = service.tokens(before, limit).await?;
            context.output.many(&tokens, || {
                output::table(
                    ["token", "name", "scopes", "by", "created", "status"],
                    tokens.iter().map(|token| {
                        [
                            token.id.to_string(),
                            token.name.clone(),
                            token.scopes.to_string(),
                            token.actor.clone(),
                            token.created_at.to_string(),
                            end(token),
                        ]
                    }),
                )
            });
            if context.output.is_human() {
                match tokens.last() {
                    None => eprintln!("no tokens: `hardstop token create` makes one"),
                    Some(last) if tokens.len() as u32 == limit => {
                        eprintln!("older ones: --before {}", last.id);
                    }
                    Some(_) => {}
                }
            }
        }
        TokenCommand::Revoke { token } => {
            let token = service.revoke_token(token).await?;
            context.output.one(&token, || {
                format!("revoked {} ({})\n", token.id, token.name)
            });
        }
    }
    service.close().await;
    Ok(ExitCode::SUCCESS)
}

/// How long it can be used.
fn end(token: &Token) -> String {
    match (token.revoked_at, token.expires_at) {
        (Some(at), _) => format!("revoked at {at}"),
        (None, Some(at)) if token.expired => format!("expired at {at}"),
        (None, Some(at)) => format!("until {at}"),
        (None, None) => "without end".to_owned(),
    }
}
