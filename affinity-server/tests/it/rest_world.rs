//! A database of one's own, served over HTTP as the REST layer serves it.

use affinity_server::auth::Visit;
use affinity_server::catalog::{CatalogHandle, CatalogSettings, PlatformSettings};
use affinity_server::problem::explain_errors;
use affinity_server::resource::{Rest, RestSettings, err_as_postgrest, routes};
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};

use crate::cluster;

/// A request comes from where its header `x-test-address` says, if it has one.
async fn come_from(mut request: Request, next: Next) -> Response {
    let address =
        request.headers().get("x-test-address").map(|address| address.to_str().unwrap().parse().unwrap());
    if address.is_some() {
        let visit = Visit::new(address, request.headers());
        request.extensions_mut().insert(visit);
    }
    next.run(request).await
}

/// Platform `v1` over the schema `shop`, which anybody may read and write.
pub(crate) struct World {
    pub(crate) pool: PgPool,
    pub(crate) client: Client,
    pub(crate) base: String,
}

/// An answer, read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// As PostgREST would serve it, with everything allowed that it allows.
pub(crate) fn open_platform(schemas: &[&str]) -> PlatformSettings {
    PlatformSettings {
        schemas: schemas.iter().map(ToString::to_string).collect(),
        allow_unguarded: true,
        plan_enabled: true,
        aggregates_enabled: true,
        ..PlatformSettings::standard()
    }
}

impl World {
    /// `sql` run in a new database, and served.
    pub(crate) async fn new(
        name: &str,
        sql: &str,
        platform: PlatformSettings,
        settings: RestSettings,
    ) -> Self {
        Self::of_platforms(name, sql, vec![("v1".to_owned(), platform)], settings).await
    }

    /// The same, served as several platforms; `base` is that of `v1`.
    pub(crate) async fn of_platforms(
        name: &str,
        sql: &str,
        platforms: Vec<(String, PlatformSettings)>,
        settings: RestSettings,
    ) -> Self {
        let pool = cluster::database(name).await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&pool).await.unwrap();
        let served = CatalogSettings { platforms };
        let catalog = CatalogHandle::start(pool.clone(), served).await.unwrap();
        let rest = Rest::new(pool.clone(), catalog, settings);
        let router = routes(rest.clone())
            .layer(middleware::from_fn_with_state(rest, err_as_postgrest))
            .layer(middleware::from_fn(come_from))
            .layer(middleware::from_fn(explain_errors));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/rest/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        // Whoever runs first in this process installs the provider; plain HTTP asks for one all the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { pool, client: Client::builder().no_proxy().build().unwrap(), base }
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.body(body.to_owned()).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// The rows that `path` gives.
    pub(crate) async fn rows(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }
}
