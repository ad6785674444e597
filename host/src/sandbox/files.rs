//! What a guest does in the folders that it was granted, beyond what WASI itself sees to: it writes up to so
//! many bytes, leaves the file system some room, and opens only files and folders.
//!
//! Bytes count when they are written, and when a file is made longer; past the bound a write fails as on a
//! full disk, and nothing of it is written. Pipes, sockets and devices that others put into a folder are not
//! opened: opening one can wait for ever, or do something.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, DescriptorFlags, DescriptorType, ErrorCode, HostDescriptor, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynOutputStream, FsError, FsResult, OutputStream, Pollable, StreamError, StreamResult};

use super::pace::{replace, turn};
use super::state::State;
use crate::domain::budget::Budget;

const TYPES: &str = "wasi:filesystem/types";

/// What one call may still write. Clones share it.
#[derive(Clone)]
pub(super) struct Room {
    left_bytes: Arc<AtomicU64>,
    /// What stays free on the file system.
    free_bytes: u64,
}

impl Room {
    pub(super) fn new(budget: &Budget) -> Self {
        Self { left_bytes: Arc::new(AtomicU64::new(budget.written_bytes)), free_bytes: budget.folder_free_bytes }
    }

    /// Takes room for so many bytes in this file, or none of it.
    fn take(&self, file: &File, bytes: u64) -> io::Result<()> {
        let full = || Err(io::Error::from(rustix::io::Errno::NOSPC));
        let kept_free = match rustix::fs::fstatvfs(file) {
            Ok(system) => system.f_bavail.saturating_mul(system.f_frsize).saturating_sub(bytes) >= self.free_bytes,
            Err(error) => return Err(error.into()),
        };
        let left = |left: u64| left.checked_sub(bytes);
        if kept_free && self.left_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok() {
            return Ok(());
        }
        full()
    }
}

/// A stream into a file, which takes the room for what goes through it.
struct Bounded {
    inner: DynOutputStream,
    file: Arc<File>,
    room: Room,
}

impl Bounded {
    fn take(&self, bytes: usize) -> StreamResult<()> {
        self.room.take(&self.file, bytes as u64).map_err(|error| StreamError::LastOperationFailed(error.into()))
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Bounded {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Bounded {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(bytes.len())?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(bytes.len())?;
        self.inner.blocking_write_and_flush(bytes).await
    }

    fn write_zeroes(&mut self, count: usize) -> StreamResult<()> {
        self.take(count)?;
        self.inner.write_zeroes(count)
    }

    async fn write_ready(&mut self) -> StreamResult<usize> {
        self.inner.write_ready().await
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

/// Puts functions that keep to this in the place of WASI's own.
///
/// # Errors
/// When WASI is defined under another version.
pub(super) fn keep_within_bounds(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type Open = (Resource<Descriptor>, PathFlags, String, OpenFlags, DescriptorFlags);
    let name = "[method]descriptor.open-at";
    replace(linker, TYPES, name, |mut store, (folder, follow, path, how, flags): Open| {
        Box::new(async move {
            turn(&mut store, path.len()).await;
            let opened = open(&mut store.data_mut().filesystem(), folder, follow, path, how, flags).await;
            Ok((told(store.data_mut(), opened)?,))
        })
    })?;
    let name = "[method]descriptor.write";
    replace(linker, TYPES, name, |mut store, (file, bytes, at): (Resource<Descriptor>, Vec<u8>, u64)| {
        Box::new(async move {
            turn(&mut store, bytes.len()).await;
            let room = store.data().room.clone();
            let written = write(&mut store.data_mut().filesystem(), &room, file, bytes, at).await;
            Ok((told(store.data_mut(), written)?,))
        })
    })?;
    let name = "[method]descriptor.set-size";
    replace(linker, TYPES, name, |mut store, (file, bytes): (Resource<Descriptor>, u64)| {
        Box::new(async move {
            turn(&mut store, 0).await;
            let room = store.data().room.clone();
            let set = set_size(&mut store.data_mut().filesystem(), &room, file, bytes).await;
            Ok((told(store.data_mut(), set)?,))
        })
    })?;
    let name = "[method]descriptor.write-via-stream";
    replace(linker, TYPES, name, |mut store, (file, at): (Resource<Descriptor>, u64)| {
        Box::new(async move {
            turn(&mut store, 0).await;
            let room = store.data().room.clone();
            let stream =
                stream(&mut store.data_mut().filesystem(), room, file, |fs, file| fs.write_via_stream(file, at));
            Ok((told(store.data_mut(), stream)?,))
        })
    })?;
    let name = "[method]descriptor.append-via-stream";
    replace(linker, TYPES, name, |mut store, (file,): (Resource<Descriptor>,)| {
        Box::new(async move {
            turn(&mut store, 0).await;
            let room = store.data().room.clone();
            let stream = stream(&mut store.data_mut().filesystem(), room, file, |fs, file| fs.append_via_stream(file));
            Ok((told(store.data_mut(), stream)?,))
        })
    })
}

/// A result as a guest reads it.
fn told<T>(state: &mut State, result: FsResult<T>) -> wasmtime::Result<Result<T, ErrorCode>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => Ok(Err(types::Host::convert_error_code(&mut state.filesystem(), error)?)),
    }
}

fn again(of: &Resource<Descriptor>) -> Resource<Descriptor> {
    Resource::new_borrow(of.rep())
}

fn may_be_opened(kind: DescriptorType) -> bool {
    // A link that is not to be followed cannot be opened anyway, and WASI says so.
    matches!(kind, DescriptorType::RegularFile | DescriptorType::Directory | DescriptorType::SymbolicLink)
}

async fn open(
    fs: &mut WasiFilesystemCtxView<'_>,
    folder: Resource<Descriptor>,
    follow: PathFlags,
    path: String,
    how: OpenFlags,
    flags: DescriptorFlags,
) -> FsResult<Resource<Descriptor>> {
    // What cannot be looked at is not there, or cannot be opened either.
    if let Ok(found) = fs.stat_at(again(&folder), follow, path.clone()).await
        && !may_be_opened(found.type_)
    {
        return Err(ErrorCode::NotPermitted.into());
    }
    let opened = fs.open_at(folder, follow, path, how, flags).await?;
    // Somebody may have put another thing there in between.
    if may_be_opened(fs.get_type(again(&opened)).await?) {
        return Ok(opened);
    }
    HostDescriptor::drop(fs, opened).map_err(FsError::trap)?;
    Err(ErrorCode::NotPermitted.into())
}

fn file_of(fs: &WasiFilesystemCtxView<'_>, file: &Resource<Descriptor>) -> FsResult<Arc<File>> {
    match fs.table.get(file)? {
        Descriptor::File(file) => Ok(Arc::clone(&file.file)),
        Descriptor::Dir(_) => Err(ErrorCode::BadDescriptor.into()),
    }
}

async fn write(
    fs: &mut WasiFilesystemCtxView<'_>,
    room: &Room,
    file: Resource<Descriptor>,
    bytes: Vec<u8>,
    at: u64,
) -> FsResult<u64> {
    room.take(&*file_of(fs, &file)?, bytes.len() as u64)?;
    fs.write(file, bytes, at).await
}

async fn set_size(
    fs: &mut WasiFilesystemCtxView<'_>,
    room: &Room,
    file: Resource<Descriptor>,
    bytes: u64,
) -> FsResult<()> {
    let size = fs.stat(again(&file)).await?.size;
    if let Some(longer) = bytes.checked_sub(size) {
        room.take(&*file_of(fs, &file)?, longer)?;
    }
    fs.set_size(file, bytes).await
}

fn stream(
    fs: &mut WasiFilesystemCtxView<'_>,
    room: Room,
    file: Resource<Descriptor>,
    made: impl FnOnce(&mut WasiFilesystemCtxView<'_>, Resource<Descriptor>) -> FsResult<Resource<DynOutputStream>>,
) -> FsResult<Resource<DynOutputStream>> {
    let of = again(&file);
    let stream = made(fs, file)?;
    let file = file_of(fs, &of)?;
    let inner = fs.table.delete(stream)?;
    let bounded: DynOutputStream = Box::new(Bounded { inner, file, room });
    Ok(fs.table.push(bounded)?)
}
