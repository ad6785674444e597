//! How slowly the body of a request may arrive.
//!
//! A body has its time for each MiB that it has begun, counted from the request's head: who sends little has
//! to send it soon, who sends much may take longer in proportion. What is there already is always handed on,
//! however late it is asked for. Answers are not looked at.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::HttpBody;
use bytes::{Buf, Bytes};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::MIB;

/// A body that fails with [`TooSlow`] when it does not arrive in time.
pub struct Paced<B> {
    body: B,
    began: Instant,
    /// For each MiB.
    time: Duration,
    received: u64,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Why a body was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body takes longer than {} ms for a MiB (MCPBOX_REQUEST_BODY_MS)", .0.as_millis())]
pub struct TooSlow(Duration);

impl TooSlow {
    /// Finds it behind an error of a body, however often others wrapped it.
    pub fn behind(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut error = Some(error);
        while let Some(here) = error {
            if let Some(found) = here.downcast_ref::<Self>() {
                return Some(*found);
            }
            error = here.source();
        }
        None
    }
}

impl<B> Paced<B> {
    /// The time of the body begins now.
    pub fn new(body: B, time: Duration) -> Self {
        Self { body, began: Instant::now(), time, received: 0, timer: None }
    }

    fn deadline(&self) -> Instant {
        let begun = u32::try_from(self.received / MIB + 1).unwrap_or(u32::MAX);
        self.began + self.time.saturating_mul(begun)
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Paced<B>
where
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            if let Some(Ok(frame)) = &frame {
                this.received += frame.data_ref().map_or(0, |data| data.remaining() as u64);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let deadline = this.deadline();
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Some(Err(TooSlow(this.time).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures_util::StreamExt as _;
    use futures_util::stream;
    use http_body_util::{BodyExt as _, Limited};

    use super::*;

    const TIME: Duration = Duration::from_millis(50);

    /// Pieces that are there at once, and then silence.
    fn stalling(sizes: &[usize]) -> Body {
        let pieces: Vec<_> = sizes.iter().map(|size| Ok::<_, BoxError>(Bytes::from(vec![b'x'; *size]))).collect();
        Body::from_stream(stream::iter(pieces).chain(stream::pending()))
    }

    /// How long it takes until a body fails.
    async fn given_up(body: Body) -> (Duration, BoxError) {
        let began = std::time::Instant::now();
        let error = Paced::new(body, TIME).collect().await.expect_err("it never ends");
        (began.elapsed(), error)
    }

    #[tokio::test]
    async fn a_body_that_stalls_is_given_up_in_time_and_each_mib_buys_more() {
        let (little, error) = given_up(stalling(&[10, 10])).await;
        assert_eq!(TooSlow::behind(error.as_ref()), Some(TooSlow(TIME)));
        assert!(little >= TIME, "{little:?}");
        let (much, _) = given_up(stalling(&[1 << 20, 2 << 20])).await;
        assert!(much >= TIME * 4, "{much:?}");
    }

    #[tokio::test]
    async fn a_body_that_is_there_is_read_however_late() {
        let late = Paced::new(Body::from("whole"), Duration::ZERO);
        assert_eq!(late.collect().await.expect("it is there").to_bytes(), "whole");
    }

    #[tokio::test]
    async fn the_reason_is_found_behind_what_wraps_it() {
        let body = Body::new(Limited::new(Body::new(Paced::new(stalling(&[]), Duration::ZERO)), 100));
        let error = body.collect().await.expect_err("it never ends");
        assert_eq!(TooSlow::behind(&error), Some(TooSlow(Duration::ZERO)));
        assert_eq!(TooSlow::behind(&std::fmt::Error), None);
    }
}
