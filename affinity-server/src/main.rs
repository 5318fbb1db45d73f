//! The server's program: reads what it is told and does it.

use std::process::ExitCode;

use affinity_server::auth::init_admin;
use affinity_server::batch::recommend_all;
use affinity_server::config::{Invocation, InvocationError, Task};
use affinity_server::database::{launcher, running_database_url};
use affinity_server::embedding::{InstallParams, PublishedModel, install};
use affinity_server::generation::generate;
use affinity_server::learning::{evaluate, fit};
use affinity_server::matchers::{activate, list_versions, rollback};
use affinity_server::observability::install_logging;
use affinity_server::serve::serve;
use affinity_server::stats::stats;

fn main() -> ExitCode {
    launcher::run_if_asked();
    match Invocation::from_environment() {
        Err(InvocationError::CommandLine { source }) => source.exit(),
        Err(error) => report(&error.into()),
        Ok(invocation) => match run(invocation) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => report(&error),
        },
    }
}

#[tokio::main]
async fn run(invocation: Invocation) -> anyhow::Result<()> {
    let Invocation { task, config } = invocation;
    match task {
        Task::Serve => {
            install_logging(&config.log)?;
            serve(config).await?;
        }
        Task::Generate(options) => {
            install_logging(&config.log)?;
            generate(&config, options).await?;
        }
        Task::InstallEmbeddings { endpoint } => {
            install_logging(&config.log)?;
            let params = InstallParams::standard(endpoint.as_deref())?;
            let models = config.data_dir.join("models");
            let folder = install(&PublishedModel::all_minilm_l6_v2(), &models, &params).await?;
            println!("To use it, set\n  AFFINITY_EMBEDDINGS_MODEL={}", folder.display());
        }
        Task::InitAdmin(options) => {
            install_logging(&config.log)?;
            init_admin(&config, &options).await?;
        }
        Task::Activate { matcher, version } => {
            install_logging(&config.log)?;
            activate(&config, &matcher, &version).await?;
        }
        Task::Rollback { matcher } => {
            install_logging(&config.log)?;
            rollback(&config, &matcher).await?;
        }
        Task::Recommend(options) => {
            install_logging(&config.log)?;
            recommend_all(&config, options).await?;
        }
        Task::Evaluate(options) => {
            install_logging(&config.log)?;
            evaluate(&config, options).await?;
        }
        Task::Fit(options) => {
            install_logging(&config.log)?;
            fit(&config, options).await?;
        }
        Task::Versions { matcher } => {
            install_logging(&config.log)?;
            list_versions(&config, &matcher).await?;
        }
        Task::Stats(options) => {
            install_logging(&config.log)?;
            stats(&config, &options).await?;
        }
        Task::DatabaseUrl => println!("{}", running_database_url(&config.database).await?),
    }
    Ok(())
}

fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because {cause}");
    }
    ExitCode::FAILURE
}
