//! Requests through `wasi:http`.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody,
    OutgoingRequest, RequestOptions, Scheme, http_error_code,
};
use wasip2::io::streams::StreamError;

use crate::http::{HttpError, Request, Response, split_url};

/// How much is written in one call: what the interface allows.
const WRITE_BYTES_MAX: usize = 4 << 10;
/// How much is read in one call.
const READ_BYTES_MAX: u64 = 64 << 10;

/// Sends a request, and waits for the whole response.
pub(crate) fn fetch(request: &Request) -> Result<Response, HttpError> {
    let outgoing = outgoing(request)?;
    let body = match request.body.is_empty() {
        true => None,
        false => Some(outgoing.body().map_err(|()| invalid("its body"))?),
    };
    let options = request.timeout.map(|timeout| {
        let options = RequestOptions::new();
        let nanoseconds = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        // The host takes all three.
        let _ = options.set_connect_timeout(Some(nanoseconds));
        let _ = options.set_first_byte_timeout(Some(nanoseconds));
        let _ = options.set_between_bytes_timeout(Some(nanoseconds));
        options
    });
    let future = outgoing_handler::handle(outgoing, options).map_err(|code| explain(&code))?;
    if let Some(body) = body {
        // A server may answer before it has read everything: then the answer counts.
        write(&body, &request.body);
        let _ = OutgoingBody::finish(body, None);
    }
    let response = wait(&future)?;
    let status = response.status();
    let headers = response.headers().entries();
    let body = read(&response)?;
    Ok(Response {
        status,
        headers,
        body,
    })
}

fn outgoing(request: &Request) -> Result<OutgoingRequest, HttpError> {
    let (scheme, authority, path) = split_url(&request.url)?;
    let mut headers = request.headers.clone();
    let has_length = headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let may_have_body = !matches!(
        request.method.as_str(),
        "GET" | "HEAD" | "DELETE" | "OPTIONS"
    );
    if !has_length && (may_have_body || !request.body.is_empty()) {
        let length = request.body.len().to_string().into_bytes();
        headers.push(("content-length".to_owned(), length));
    }
    let headers = Fields::from_list(&headers)
        .map_err(|error| HttpError::Invalid(format!("a header: {error}")))?;
    let outgoing = OutgoingRequest::new(headers);
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    outgoing
        .set_method(&method(&request.method))
        .map_err(|()| invalid("its method"))?;
    outgoing
        .set_scheme(Some(&scheme))
        .map_err(|()| invalid("its scheme"))?;
    outgoing
        .set_authority(Some(authority))
        .map_err(|()| invalid("its host"))?;
    outgoing
        .set_path_with_query(Some(&path))
        .map_err(|()| invalid("its path"))?;
    Ok(outgoing)
}

fn method(text: &str) -> Method {
    match text {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn invalid(what: &str) -> HttpError {
    HttpError::Invalid(format!("the host does not take {what}"))
}

fn write(body: &OutgoingBody, bytes: &[u8]) {
    let Ok(stream) = body.write() else {
        return;
    };
    for chunk in bytes.chunks(WRITE_BYTES_MAX) {
        if stream.blocking_write_and_flush(chunk).is_err() {
            return;
        }
    }
}

fn wait(future: &FutureIncomingResponse) -> Result<IncomingResponse, HttpError> {
    future.subscribe().block();
    match future.get() {
        Some(Ok(Ok(response))) => Ok(response),
        Some(Ok(Err(code))) => Err(explain(&code)),
        _ => Err(HttpError::Failed("the host lost the response".to_owned())),
    }
}

fn read(response: &IncomingResponse) -> Result<Vec<u8>, HttpError> {
    let lost = |()| HttpError::Failed("the host lost the response's body".to_owned());
    let body = response.consume().map_err(lost)?;
    let stream = body.stream().map_err(lost)?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(READ_BYTES_MAX) {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(match http_error_code(&error) {
                    Some(code) => explain(&code),
                    None => HttpError::Failed(error.to_debug_string()),
                });
            }
        }
    }
}

fn explain(code: &ErrorCode) -> HttpError {
    let text = code.to_string();
    match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => {
            HttpError::Denied(text)
        }
        ErrorCode::ConnectionLimitReached
        | ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpResponseBodySize(_) => HttpError::Limit(text),
        ErrorCode::HttpRequestUriInvalid | ErrorCode::HttpRequestMethodInvalid => {
            HttpError::Invalid(text)
        }
        _ => HttpError::Failed(text),
    }
}
