use std::net::IpAddr;

use axum::http::HeaderMap;

/// From where a request really comes: the last address of `X-Forwarded-For` that is no proxy of the operator's, when
/// a proxy of his brought it. What others write there is worth nothing.
pub(super) fn client_address(peer: IpAddr, headers: &HeaderMap, proxies: &[IpAddr]) -> IpAddr {
    if !proxies.contains(&peer) {
        return peer;
    }
    let lines = headers.get_all("x-forwarded-for").into_iter().filter_map(|line| line.to_str().ok());
    let named: Vec<&str> = lines.flat_map(|line| line.split(',')).collect();
    let mut nearest = peer;
    for text in named.iter().rev() {
        // Behind something unreadable nothing can be believed.
        let Ok(address) = text.trim().parse::<IpAddr>() else { break };
        nearest = address;
        if !proxies.contains(&address) {
            break;
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use axum::http::{HeaderMap, HeaderValue};

    use super::client_address;

    #[track_caller]
    fn check(peer: &str, forwarded: &'static str, expected: &str) {
        let headers =
            HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), HeaderValue::from_static(forwarded))]);
        let proxies = ["10.0.0.1", "10.0.0.2"].map(|proxy| proxy.parse().unwrap());
        let found = client_address(peer.parse().unwrap(), &headers, &proxies);
        assert_eq!(found.to_string(), expected, "{peer} {forwarded}");
    }

    #[test]
    fn only_proxies_of_the_operator_are_believed() {
        check("1.1.1.1", "2.2.2.2", "1.1.1.1");
        check("10.0.0.1", "2.2.2.2", "2.2.2.2");
        check("10.0.0.1", "6.6.6.6, 2.2.2.2, 10.0.0.2", "2.2.2.2");
        check("10.0.0.1", "6.6.6.6, nonsense", "10.0.0.1");
        check("10.0.0.1", "", "10.0.0.1");
    }
}
