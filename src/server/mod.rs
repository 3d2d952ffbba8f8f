//! An HTTP server for the HDF5 files of a folder, with the interface of h5grove 4: what H5Web, the viewer, talks to.
//!
//! [`Server`] is what `h5 serve` runs; [`router`] gives the same endpoints for an axum application of your own.
//!
//! Nothing outside the folder is read, whatever a request or a file says: all files are opened beneath a handle of the
//! folder, and so are those that external links, external raw data and virtual datasets lead to. Files are read at
//! positions and never mapped into memory: one that is cut while it is served gives an error, where a mapped one would
//! end the process.

mod cache;
mod compress;
mod endpoints;
mod files;
mod folder;
mod job;
mod query;
mod view;

use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Path as UrlPath, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
};
use tower_http::cors::{AllowOrigin, CorsLayer};

use self::{
    endpoints::{Asked, Endpoint},
    files::Files,
    folder::Folder,
    job::{Answer, Head, Job},
};

/// What requests may cost.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of an answer; more is 413.
    pub max_response: u64,
    /// Bytes that the chunks of one request take when they are decoded, each as often as it must be; more is 413.
    pub max_decoded: u64,
    /// Bytes of a list of paths; more is 413.
    pub max_listing: u64,
    /// Time that the work of a request may take, waiting for the client not counted; more is 503.
    pub timeout: Duration,
    /// Time that a client may take for each part of an answer, of 256 KiB. In all it may take so long too, and beside it
    /// as long as the answer needs at 32 KiB a second. Then the connection is broken off.
    pub patience: Duration,
    /// Requests that read data at the same time; others wait.
    pub concurrent: usize,
    /// Requests that wait; more are 503.
    pub waiting: usize,
    /// Connections that are open; others wait to be accepted.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Limits {
            max_response: 2 << 30,
            max_decoded: 16 << 30,
            max_listing: 256 << 20,
            timeout: Duration::from_secs(60),
            patience: Duration::from_secs(30),
            concurrent: (2 * processors).max(4),
            waiting: 256,
            connections: 1024,
        }
    }
}

/// How a folder is served.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The folder.
    pub folder: PathBuf,
    /// Address to listen at.
    pub ip: IpAddr,
    /// Port to listen at; 0 takes one that is free.
    pub port: u16,
    /// Origins whose pages may read the answers; `*` is all.
    pub cors: Vec<String>,
    /// The viewer is served too.
    pub viewer: bool,
    /// What requests may cost.
    pub limits: Limits,
}

impl Options {
    /// Of a folder: at port 8888 of this machine only, with the viewer.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Options {
            folder: folder.into(),
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 8888,
            cors: Vec::new(),
            viewer: true,
            limits: Limits::default(),
        }
    }
}

/// What all requests share.
struct App {
    files: Files,
    limits: Limits,
    viewer: bool,
    /// Requests that read data.
    heavy: Arc<Semaphore>,
    /// Those that read metadata.
    light: Arc<Semaphore>,
    /// All that work or wait.
    present: Arc<Semaphore>,
    begin: Instant,
    requests: AtomicU64,
}

/// Requests for metadata that are worked on at the same time.
const LIGHT: usize = 16;

/// The endpoints, for an application of your own: `/`, `/attr`, `/data`, `/meta`, `/stats`, `/paths`, `/files`,
/// `/health` and, with the viewer, `/view/`. It must run on tokio.
///
/// ```no_run
/// # fn main() -> std::io::Result<()> {
/// let h5grove = h5::server::router(&h5::server::Options::new("/data"))?;
/// let app: axum::Router = axum::Router::new().nest("/h5grove", h5grove);
/// # Ok(()) }
/// ```
///
/// # Errors
/// If the folder cannot be opened, or an origin of `cors` is none.
pub fn router(options: &Options) -> io::Result<Router> {
    let folder = Arc::new(Folder::open(&options.folder)?);
    let limits = options.limits.clone();
    let app = Arc::new(App {
        files: Files::new(folder, &limits),
        viewer: options.viewer,
        heavy: Arc::new(Semaphore::new(limits.concurrent.max(1))),
        light: Arc::new(Semaphore::new(LIGHT)),
        present: Arc::new(Semaphore::new(limits.waiting.saturating_add(limits.concurrent).max(1))),
        begin: Instant::now(),
        requests: AtomicU64::new(0),
        limits,
    });
    let mut router = Router::new()
        .route("/", get(|| async { "ok" }))
        .route("/health", get(health))
        .route("/attr", get(|app, request| serve(app, Endpoint::Attr, request)))
        .route("/data", get(|app, request| serve(app, Endpoint::Data, request)))
        .route("/meta", get(|app, request| serve(app, Endpoint::Meta, request)))
        .route("/stats", get(|app, request| serve(app, Endpoint::Stats, request)))
        .route("/paths", get(|app, request| serve(app, Endpoint::Paths, request)))
        .route("/files", get(|app, request| serve(app, Endpoint::Files, request)));
    if options.viewer {
        router = router
            .route("/view", get(to_viewer))
            .route("/view/", get(|| async { view::asset("") }))
            .route("/view/{*path}", get(|UrlPath(path): UrlPath<String>| async move { view::asset(&path) }))
            .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }));
    }
    let missing = || async { plain(StatusCode::NOT_FOUND, "there is no such endpoint") };
    let refused = || async { plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are allowed") };
    let mut router = router
        .fallback(missing)
        .method_not_allowed_fallback(refused)
        .layer(middleware::from_fn_with_state(app.clone(), around))
        .with_state(app);
    if !options.cors.is_empty() {
        router = router.layer(cors(&options.cors)?);
    }
    Ok(router)
}

fn cors(origins: &[String]) -> io::Result<CorsLayer> {
    let exposed = [header::CONTENT_LENGTH, header::CONTENT_RANGE, header::ETAG, header::ACCEPT_RANGES];
    let layer = CorsLayer::new().allow_methods([Method::GET, Method::HEAD]).expose_headers(exposed);
    if origins.iter().any(|o| o == "*") {
        return Ok(layer.allow_origin(AllowOrigin::any()));
    }
    let origins: Result<Vec<HeaderValue>, _> = origins.iter().map(|o| HeaderValue::from_str(o)).collect();
    let origins = origins.map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    Ok(layer.allow_origin(AllowOrigin::list(origins)))
}

fn plain(status: StatusCode, text: &str) -> Response {
    Head::error(status, text).into_response(Job::new(Duration::ZERO).guard())
}

/// To the viewer, with the query.
async fn to_viewer(request: Request) -> Response {
    let query = request.uri().query().map(|q| format!("?{q}")).unwrap_or_default();
    // Relative, so that it holds wherever the endpoints are.
    let place = HeaderValue::from_str(&format!("view/{query}"));
    match place {
        Ok(place) => (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, place)]).into_response(),
        Err(_) => plain(StatusCode::NOT_FOUND, "there is no such page"),
    }
}

async fn health(State(app): State<Arc<App>>) -> Response {
    let all = app.limits.waiting.saturating_add(app.limits.concurrent).max(1);
    let text = serde_json::json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "seconds": app.begin.elapsed().as_secs(),
        "requests": app.requests.load(Ordering::Relaxed),
        "present": all.saturating_sub(app.present.available_permits()),
        "viewer": app.viewer && view::is_built(),
    });
    ([(header::CONTENT_TYPE, "application/json")], text.to_string()).into_response()
}

/// What holds for all answers, and the log.
async fn around(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    app.requests.fetch_add(1, Ordering::Relaxed);
    let begin = Instant::now();
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let mut response = next.run(request).await;
    let nosniff = HeaderName::from_static("x-content-type-options");
    response.headers_mut().insert(nosniff, HeaderValue::from_static("nosniff"));
    tracing::info!(
        %method,
        path = uri.path(),
        query = uri.query().unwrap_or_default(),
        status = response.status().as_u16(),
        milliseconds = begin.elapsed().as_millis() as u64,
        "request"
    );
    response
}

/// A place among those that work, or an answer that says that there is none.
async fn enter(app: &App, endpoint: Endpoint) -> Result<[OwnedSemaphorePermit; 2], Head> {
    let busy = || Head::error(StatusCode::SERVICE_UNAVAILABLE, "too many requests at the same time");
    let present = app.present.clone().try_acquire_owned().map_err(|_| busy())?;
    let gate = if endpoint.is_heavy() { &app.heavy } else { &app.light };
    match tokio::time::timeout(app.limits.timeout, gate.clone().acquire_owned()).await {
        Ok(Ok(permit)) => Ok([present, permit]),
        _ => Err(busy()),
    }
}

async fn serve(State(app): State<Arc<App>>, endpoint: Endpoint, request: Request) -> Response {
    let entered = enter(&app, endpoint).await;
    // The time begins when the work does.
    let job = Job::new(app.limits.timeout);
    let guard = job.guard();
    let permits = match entered {
        Ok(permits) => permits,
        Err(head) => return head.into_response(guard),
    };
    let asked = Asked {
        endpoint,
        method: request.method().clone(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        headers: request.headers().clone(),
    };
    let (sender, receiver) = oneshot::channel();
    let handle = Handle::current();
    let timeout = app.limits.timeout;
    tokio::task::spawn_blocking(move || {
        let out = Answer::new(job, handle, sender, &app.limits);
        endpoints::answer(&app, &asked, out);
        drop(permits);
    });
    // The work looks at the clock between two blocks: a little later it knows that it is over.
    let head = match tokio::time::timeout(timeout.saturating_add(Duration::from_secs(5)), receiver).await {
        Ok(Ok(head)) => head,
        Ok(Err(_)) => Head::error(StatusCode::INTERNAL_SERVER_ERROR, "no answer"),
        Err(_) => Head::error(StatusCode::SERVICE_UNAVAILABLE, "the answer takes too long"),
    };
    head.into_response(guard)
}

/// Time that a client may take for the headers of a request, and between two.
const IDLE: Duration = Duration::from_secs(60);
/// Time that answers get to end when the server stops.
const LAST: Duration = Duration::from_secs(10);

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    router: Router,
    connections: usize,
}

impl Server {
    /// Listens at the address of the options.
    ///
    /// # Errors
    /// As [`router`]; if the address is taken.
    pub async fn bind(options: &Options) -> io::Result<Self> {
        let router = router(options)?;
        let listener = TcpListener::bind(SocketAddr::new(options.ip, options.port)).await?;
        Ok(Server { listener, router, connections: options.limits.connections.max(1) })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` is done; then no connection is accepted, and what has begun is ended.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let open = Arc::new(Semaphore::new(self.connections));
        let graceful = GracefulShutdown::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = async {
                let permit = open.clone().acquire_owned().await;
                (permit, self.listener.accept().await)
            };
            let (permit, stream) = tokio::select! {
                () = &mut stop => break,
                (permit, accepted) = accepted => match accepted {
                    Ok((stream, _)) => (permit, stream),
                    Err(error) => {
                        // Such as: too many open files. It may pass.
                        tracing::warn!(%error, "no connection");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                },
            };
            let _ = stream.set_nodelay(true);
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(IDLE)
                .max_buf_size(64 << 10)
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(self.router.clone()));
            let connection = graceful.watch(connection);
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "connection broken off");
                }
                drop(permit);
            });
        }
        drop(self.listener);
        tracing::info!("stopping");
        if tokio::time::timeout(LAST, graceful.shutdown()).await.is_err() {
            tracing::warn!("answers were broken off");
        }
    }
}

/// Done when this process is asked to stop: by ctrl-c or SIGTERM.
async fn asked_to_stop() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending::<()>().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}

/// Serves a folder until this process is asked to stop. `ready` is told the address.
///
/// # Errors
/// As [`Server::bind`].
pub fn run(options: &Options, ready: impl FnOnce(SocketAddr)) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(options.limits.concurrent.saturating_add(LIGHT).saturating_add(4))
        .thread_stack_size(4 << 20)
        .enable_all()
        .build()?;
    let served = runtime.block_on(async {
        let server = Server::bind(options).await?;
        ready(server.local_addr()?);
        server.run(asked_to_stop()).await;
        Ok(())
    });
    // Work that nobody waits for stops at its next block.
    runtime.shutdown_timeout(Duration::from_secs(2));
    served
}
