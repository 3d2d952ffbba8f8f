//! Ranks of MPI.
//!
//! MPI libraries want their calls from one thread; a thread of its own makes them, and whoever calls waits for it.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
};

use mpi::{
    Threading,
    environment::{Universe, initialize_with_threading, is_initialized, threading_support},
    topology::{Communicator as _, SimpleCommunicator},
    traits::{CommunicatorCollectives as _, Root as _},
};

use super::communicator::Communicator;
use crate::{Error, ErrorKind, Result};

/// All ranks that were started together, by `mpirun` or the like.
///
/// ```no_run
/// # fn main() -> h5::Result<()> {
/// use h5::h5flow::{H5FlowDataManager, MpiCommunicator};
/// let ranks = std::sync::Arc::new(MpiCommunicator::world()?);
/// let dm = H5FlowDataManager::options().communicator(ranks).open("events.h5", "w")?;
/// dm.create_dset::<u64>("events")?;
/// let rows = dm.reserve_data("events", 1000)?;
/// dm.write_data("events", rows.clone(), &rows.collect::<Vec<u64>>())?;
/// dm.finish()?;
/// # Ok(()) }
/// ```
///
/// An error inside MPI ends all ranks, as MPI has it if nothing else was set.
#[derive(Debug)]
pub struct MpiCommunicator {
    rank: usize,
    size: usize,
    calls: Option<Sender<Call>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is asked for, and where it answers.
#[derive(Debug)]
enum Call {
    Allgather(u64, Sender<Vec<u64>>),
    Barrier(Sender<()>),
    Bcast(u64, usize, Sender<u64>),
}

fn usage(text: &str) -> Error {
    Error::new(ErrorKind::Usage(text.to_owned()))
}

fn gone() -> Error {
    std::io::Error::new(std::io::ErrorKind::BrokenPipe, "the thread that speaks MPI is gone").into()
}

impl MpiCommunicator {
    /// The ranks of `MPI_COMM_WORLD`. Collective. MPI is initialised if it is not, and then finalised when this is
    /// dropped; a program that has done so itself must have asked for `MPI_THREAD_SERIALIZED` or more.
    ///
    /// # Errors
    /// `Usage` if MPI cannot be called from a thread of its own; `Io` if there can be no thread.
    pub fn world() -> Result<Self> {
        let (calls, received) = channel();
        let (started, start) = channel();
        let run = move || match join_world() {
            Err(e) => {
                let _ = started.send(Err(e));
            }
            Ok((universe, world)) => {
                let numbers = (world.rank() as usize, world.size() as usize);
                if started.send(Ok(numbers)).is_ok() {
                    answer(&world, &received);
                }
                // The communicator is freed before MPI is finalised.
                drop(world);
                drop(universe);
            }
        };
        let thread = std::thread::Builder::new().name("h5flow-mpi".to_owned()).spawn(run)?;
        let (rank, size) = start.recv().map_err(|_| gone())??;
        Ok(MpiCommunicator { rank, size, calls: Some(calls), thread: Some(thread) })
    }

    fn ask<R>(&self, call: impl FnOnce(Sender<R>) -> Call) -> Result<R> {
        let (reply, answer) = channel();
        let calls = self.calls.as_ref().ok_or_else(gone)?;
        calls.send(call(reply)).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())
    }
}

/// MPI, initialised unless it is, and a communicator that nobody else uses.
fn join_world() -> Result<(Option<Universe>, SimpleCommunicator)> {
    let universe = match is_initialized() {
        true if threading_support() < Threading::Serialized => {
            return Err(usage("MPI was initialised for calls from one thread only"));
        }
        true => None,
        false => match initialize_with_threading(Threading::Funneled) {
            Some((_, given)) if given < Threading::Funneled => {
                return Err(usage("this MPI cannot be used by a program with threads"));
            }
            Some((universe, _)) => Some(universe),
            None => return Err(usage("MPI was finalised already")),
        },
    };
    let world = SimpleCommunicator::world().duplicate();
    Ok((universe, world))
}

/// Makes calls until nobody can ask for more. That nobody waits for an answer any longer is no error.
fn answer(world: &SimpleCommunicator, calls: &Receiver<Call>) {
    for call in calls {
        match call {
            Call::Allgather(value, reply) => {
                let mut all = vec![0u64; world.size() as usize];
                world.all_gather_into(&value, &mut all[..]);
                let _ = reply.send(all);
            }
            Call::Barrier(reply) => {
                world.barrier();
                let _ = reply.send(());
            }
            Call::Bcast(mut value, root, reply) => {
                world.process_at_rank(root as i32).broadcast_into(&mut value);
                let _ = reply.send(value);
            }
        }
    }
}

impl Communicator for MpiCommunicator {
    fn rank(&self) -> usize {
        self.rank
    }
    fn size(&self) -> usize {
        self.size
    }
    fn allgather(&self, value: u64) -> Result<Vec<u64>> {
        self.ask(|reply| Call::Allgather(value, reply))
    }
    fn barrier(&self) -> Result<()> {
        self.ask(Call::Barrier)
    }
    fn bcast(&self, value: u64, root: usize) -> Result<u64> {
        if root >= self.size {
            return Err(usage(&format!("rank {root} of {}", self.size)));
        }
        self.ask(|reply| Call::Bcast(value, root, reply))
    }
}

impl Drop for MpiCommunicator {
    fn drop(&mut self) {
        drop(self.calls.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to say any more, even if it has panicked.
            let _ = thread.join();
        }
    }
}
