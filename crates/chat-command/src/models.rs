//! `chat models`: lists the models of a server.

use std::io::{self, Write};

use chat_client::completions::Model;
use chat_client::driver::FromSettings;
use chat_client::{Client, Error, OneLine};

use crate::args::{Api, Connection, Models, Transport};
#[cfg(not(all(feature = "async-std", feature = "smol", feature = "blocking")))]
use crate::connect::not_included;
use crate::connect::{configure, names};
use crate::interrupt::Interrupt;
use crate::print::{Printer, json_line};

pub(crate) async fn run(args: &Models, mut interrupt: Interrupt) -> io::Result<u8> {
    let args = &args.connection;
    let models = tokio::select! {
        biased;
        () = interrupt.wait() => Err(Error::cancelled()),
        models = list(args) => models,
    };
    match models {
        Ok(models) => print(args, &models),
        Err(error) => Printer::new(args.json).with_api(Api::Completions).with_names(names(args)).outcome(&Err(error)),
    }
}

async fn list(args: &Connection) -> Result<Vec<Model>, Error> {
    match args.transport {
        Transport::Hyper => list_on::<transport_hyper::HyperTransport>(args).await,
        #[cfg(feature = "async-std")]
        Transport::AsyncStd => list_on::<transport_async_std::AsyncStdTransport>(args).await,
        #[cfg(feature = "smol")]
        Transport::Smol => list_on::<transport_smol::SmolTransport>(args).await,
        #[cfg(feature = "blocking")]
        Transport::Blocking => {
            let client = configure(chat_blocking::Client::builder(), args)?.build()?;
            let listing = tokio::task::spawn_blocking(move || client.list_models());
            listing.await.unwrap_or_else(|_| Err(Error::cancelled()))
        }
        #[cfg(not(all(feature = "async-std", feature = "smol", feature = "blocking")))]
        transport => Err(not_included(transport)),
    }
}

async fn list_on<T: FromSettings>(args: &Connection) -> Result<Vec<Model>, Error> {
    configure(Client::<T>::builder(), args)?.build()?.list_models().await
}

/// Prints one model per line: its id, or all of it as JSON.
fn print(args: &Connection, models: &[Model]) -> io::Result<u8> {
    let mut out = io::stdout();
    for model in models {
        if args.json { json_line(&mut out, model)? } else { writeln!(out, "{}", OneLine(&model.id))? }
    }
    out.flush()?;
    Ok(0)
}
