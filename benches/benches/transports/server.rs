//! The server: raw HTTP/1.1 over blocking sockets with prepared answers, so that it costs as little as possible.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use chat_bench::corpora;
use memchr::memmem;

use crate::job::Job;
use crate::process;

/// Events per write.
pub(crate) const PER_WRITE: [usize; 3] = [1, 10, 50];

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n\
    x-request-id: req_01J9ZK4Q8W3M6T\r\ntransfer-encoding: chunked\r\n\r\n";
const END: &[u8] = b"0\r\n\r\n";

/// Serves answers of up to `events` events until the standard input is closed. Prints its port.
pub(crate) fn serve(events: usize) -> io::Result<()> {
    process::prepare_child(false);
    process::end_with_stdin();
    let body = corpora::small(events).body;
    let floods = PER_WRITE.map(|per_write| (per_write, Flood::new(body, per_write)));
    let server = Arc::new(Server { floods: floods.into(), waiting: Mutex::default() });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?.port());
    for stream in listener.incoming() {
        let (server, stream) = (Arc::clone(&server), stream?);
        // Errors are ignored: a client that misses data reports it.
        thread::Builder::new().stack_size(64 * 1024).spawn(move || _ = server.answer(stream))?;
    }
    Ok(())
}

struct Server {
    floods: HashMap<usize, Flood>,
    /// The streams of a paced job until all of them have connected.
    waiting: Mutex<Vec<TcpStream>>,
}

impl Server {
    /// Answers all requests of a connection.
    fn answer(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(job) = read_job(&mut reader)? {
            (&stream).write_all(HEAD)?;
            match job {
                Job::Flood { events, per_write } => self.floods[&per_write].write(&stream, events / per_write)?,
                Job::Paced { streams, events } => return self.gather(stream, streams, events),
            }
        }
        Ok(())
    }

    /// Adds a stream. The thread of the last one writes the events of all.
    fn gather(&self, stream: TcpStream, streams: usize, events: usize) -> io::Result<()> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(stream);
        if waiting.len() < streams {
            return Ok(());
        }
        let streams = std::mem::take(&mut *waiting);
        drop(waiting);
        pace(&streams, events)
    }
}

/// Reads a request to its end. Its path starts with the job.
fn read_job(reader: &mut impl BufRead) -> io::Result<Option<Job>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
    let job = path.split("/v0/").next().unwrap_or_default().parse().map_err(io::Error::other)?;
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            Some(_) => {}
            None => break,
        }
    }
    io::copy(&mut reader.take(length), &mut io::sink())?;
    Ok(Some(job))
}

/// A chunk-encoded body with one chunk per write.
struct Flood {
    bytes: Vec<u8>,
    /// The end of each write.
    ends: Vec<usize>,
}

impl Flood {
    fn new(body: &[u8], per_write: usize) -> Self {
        let mut flood = Self { bytes: Vec::new(), ends: Vec::new() };
        let event_ends: Vec<_> = memmem::find_iter(body, "\n\n").map(|at| at + 2).collect();
        let mut start = 0;
        for ends in event_ends.chunks(per_write) {
            let end = ends[ends.len() - 1];
            push_chunk(&mut flood.bytes, &body[start..end]);
            flood.ends.push(flood.bytes.len());
            start = end;
        }
        flood
    }

    fn write(&self, mut stream: &TcpStream, writes: usize) -> io::Result<()> {
        let mut start = 0;
        for &end in &self.ends[..writes] {
            stream.write_all(&self.bytes[start..end])?;
            start = end;
        }
        stream.write_all(END)
    }
}

fn push_chunk(bytes: &mut Vec<u8>, chunk: &[u8]) {
    write!(bytes, "{:x}\r\n", chunk.len()).expect("writing to a vector does not fail");
    bytes.extend_from_slice(chunk);
    bytes.extend_from_slice(b"\r\n");
}

fn pace(streams: &[TcpStream], events: usize) -> io::Result<()> {
    process::pin_to_processors(true);
    let start = Instant::now();
    let mut bytes = Vec::new();
    let turns = (0..events).flat_map(|_| streams);
    for (mut stream, turn) in turns.zip(1..) {
        thread::sleep((start + turn * (Duration::from_secs(1) / Job::RATE)).saturating_duration_since(Instant::now()));
        let event = format!(
            "event: message_chunk\ndata: {{\"chat_session_id\":\"cs_01J9ZK4Q8W3M6T\",\"content_chunk\":\"{}\"}}\n\n",
            process::clock()
        );
        bytes.clear();
        push_chunk(&mut bytes, event.as_bytes());
        stream.write_all(&bytes)?;
    }
    streams.iter().try_for_each(|mut stream| stream.write_all(END))
}
