//! `cambist deploy ...`.

use cambist_core::scope::Audience;
use clap::{Args, Subcommand};

use super::examples;
use crate::deploy::{Image, Release, USUAL_IMAGE, audience};

#[derive(Debug, Subcommand)]
pub(crate) enum DeployCommand {
    /// Print the admission policies that give pods the sidecar, and those that guard its token
    ///
    /// The API server itself then adds the sidecar to each pod that is labelled `cambist.dev/inject: "true"`
    /// in a namespace labelled alike; no webhook runs. A guard refuses, in the same namespaces, whatever
    /// would have the token or the secret elsewhere. Both hold one image. Nothing is asked of a cluster.
    // Its --version is the cluster's.
    #[command(after_help = examples::INJECT, disable_version_flag = true)]
    Inject(Inject),
}

#[derive(Args, Debug)]
pub(crate) struct Inject {
    /// The sidecar's image, with a tag or, better, a digest.
    #[arg(long, value_name = "IMAGE", default_value = USUAL_IMAGE)]
    pub(crate) image: Image,
    /// The cluster's Kubernetes version: 1.34 or newer.
    #[arg(long = "version", value_name = "VERSION")]
    pub(crate) release: Release,
    /// What tokens are for where a namespace says nothing: public, us-gov, china, us-nat, us-sec, france,
    /// germany, singapore, aks-identity-binding, or a URI.
    #[arg(long, value_name = "AUDIENCE", default_value = "public", value_parser = audience)]
    pub(crate) audience: Audience,
}
