//! MCP over standard input and output, for clients that start a process: one message a line, nothing else.
//!
//! A line is bounded: a longer one is refused when it ends, and the next one is read. The end of the input is the
//! end of the conversation: what runs may be answered first, for as long as it may at any stop. A client that does not
//! read is waited for no longer than that, whatever ends the conversation.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::conversation::Conversation;
use crate::auth::Admitted;
use crate::domain::caller::Caller;
use crate::limits::Limits;
use crate::mcp::McpState;
use crate::mcp::error::{Failure, Kind};
use crate::mcp::scope::{Scope, Wish};

/// Serves one client until its input ends, until it reads no more, or until the process is to stop.
///
/// # Errors
/// When the input cannot be read or the output not be written.
pub(in crate::mcp) async fn serve(
    mcp: &McpState,
    address: (Scope, Wish),
    caller: Caller,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let (conversation, said) = Conversation::new(mcp, address, Admitted { caller, login: None }, true);
    let writing = write(output, said);
    tokio::pin!(writing);
    let read = tokio::select! {
        read = read(mcp, &conversation, input) => read,
        written = &mut writing => {
            conversation.end();
            return written;
        }
    };
    drop(conversation);
    match tokio::time::timeout(reading(mcp), writing).await {
        Ok(written) => written.and(read),
        Err(_) => {
            tracing::warn!("the client does not read; what was said to it is dropped");
            read
        }
    }
}

/// How long what runs may be answered when the end has come.
fn grace(mcp: &McpState) -> Duration {
    Duration::from_secs(mcp.limits().stop_grace_s)
}

/// How long a client has to read what is said then: it may be short of time, but never has none.
fn reading(mcp: &McpState) -> Duration {
    grace(mcp).max(Duration::from_secs(1))
}

/// Takes what comes until there is no more. It is read ahead, as much as a line may have, so that the end of the input is
/// noticed while the client does not read and nothing of what it said can be taken.
async fn read(mcp: &McpState, conversation: &Conversation, mut input: impl AsyncRead + Unpin) -> io::Result<()> {
    let (ahead, mut behind) = tokio::io::simplex(Limits::size(mcp.limits().request_body_bytes));
    let ended = CancellationToken::new();
    let copying = async {
        let read = tokio::io::copy(&mut input, &mut behind).await;
        ended.cancel();
        read.and(behind.shutdown().await)
    };
    let taking = take(mcp, conversation, BufReader::new(ahead), &ended);
    tokio::pin!(copying, taking);
    let mut read = None;
    let end = loop {
        tokio::select! {
            end = &mut taking => break end,
            done = &mut copying, if read.is_none() => read = Some(done),
        }
    };
    if tokio::time::timeout(grace(mcp), conversation.finish()).await.is_err() {
        tracing::warn!("the grace is over; ending running calls");
        conversation.end();
    }
    end.and(read.unwrap_or(Ok(())))
}

/// Takes lines until there are no more, the process is to stop, or the client reads no more after its last line.
async fn take(
    mcp: &McpState,
    conversation: &Conversation,
    mut input: impl AsyncBufRead + Unpin,
    ended: &CancellationToken,
) -> io::Result<()> {
    let most = Limits::size(mcp.limits().request_body_bytes);
    loop {
        let line = tokio::select! {
            line = line(&mut input, most) => line,
            () = mcp.shutdown.cancelled() => return Ok(()),
        };
        let Some(line) = line? else { return Ok(()) };
        let nobody_reads = async {
            ended.cancelled().await;
            tokio::time::sleep(reading(mcp)).await;
        };
        tokio::select! {
            () = taken(conversation, line, most) => {}
            () = nobody_reads => return Ok(()),
            () = mcp.shutdown.cancelled() => return Ok(()),
        }
    }
}

async fn taken(conversation: &Conversation, line: Line, most: usize) {
    match line {
        Line::Whole(line) if line.iter().all(u8::is_ascii_whitespace) => {}
        Line::Whole(line) => conversation.take(&line).await,
        Line::TooLong => {
            let message = format!("a line is larger than {most} bytes (MCPBOX_REQUEST_BODY_BYTES)");
            conversation.refuse(&Failure::new(Kind::TooLarge, message).into()).await;
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Line {
    Whole(Vec<u8>),
    TooLong,
}

/// The next line, without its end. None: there is no more.
async fn line(input: &mut (impl AsyncBufRead + Unpin), most: usize) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    let (mut too_long, mut anything) = (false, false);
    loop {
        let read = input.fill_buf().await?;
        if read.is_empty() {
            break;
        }
        anything = true;
        let end = read.iter().position(|byte| *byte == b'\n');
        let piece = &read[..end.unwrap_or(read.len())];
        too_long |= line.len() + piece.len() > most;
        if !too_long {
            line.extend_from_slice(piece);
        }
        let consumed = end.map_or(read.len(), |end| end + 1);
        input.consume(consumed);
        if end.is_some() {
            break;
        }
    }
    Ok(anything.then_some(if too_long { Line::TooLong } else { Line::Whole(line) }))
}

/// One message a line, each in one write. What is JSON has line breaks between its tokens alone, if at all.
async fn write(mut output: impl AsyncWrite + Unpin, mut said: mpsc::Receiver<Bytes>) -> io::Result<()> {
    while let Some(message) = said.recv().await {
        let mut line: Vec<u8> =
            message.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect();
        line.push(b'\n');
        output.write_all(&line).await?;
        output.flush().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn lines(text: &[u8], most: usize, piece: usize) -> Vec<Line> {
        let mut input = BufReader::with_capacity(piece, text);
        let mut lines = Vec::new();
        while let Some(line) = line(&mut input, most).await.expect("bytes in memory") {
            lines.push(line);
        }
        lines
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_skipped_and_the_last_needs_no_end() {
        let whole = |text: &str| Line::Whole(text.as_bytes().to_vec());
        for piece in [1, 2, 64] {
            let found = lines(b"one\n12345\n\n1234\nend", 4, piece).await;
            assert_eq!(found, [whole("one"), Line::TooLong, whole(""), whole("1234"), whole("end")], "{piece}");
        }
        assert!(lines(b"", 4, 8).await.is_empty());
    }

    proptest! {
        #[test]
        fn whatever_comes_no_line_is_longer_than_the_bound(text in prop::collection::vec(any::<u8>(), 0..400), piece in 1_usize..32) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let found = runtime.block_on(lines(&text, 16, piece));
            let ends = text.iter().filter(|byte| **byte == b'\n').count();
            prop_assert_eq!(found.len(), ends + usize::from(!text.is_empty() && !text.ends_with(b"\n")));
            for (line, given) in found.iter().zip(text.split(|byte| *byte == b'\n')) {
                match line {
                    Line::Whole(line) => prop_assert_eq!(line.as_slice(), given),
                    Line::TooLong => prop_assert!(given.len() > 16),
                }
            }
        }
    }
}
