//! The way between the cache and the service: messages over a link that takes its time and may be lost.
//!
//! A message that is lost on its way to the service was never applied; one whose answer is lost was. The cache cannot tell which, and
//! needs not, because what it sends can be sent again (LK-10). What it needs is that nothing of a lost attempt is applied *after* the
//! next attempt: it would overwrite newer values with older ones. So an attempt ends only when each of its messages has
//! either been dealt with or is known to be lost.

use std::{future::Future, rc::Rc};

use super::{
    Stored,
    cache::Key,
    change::Change,
    service::{Failure, Page, Service, Staged},
};
use crate::{
    platform::{Leg, Link, Links, LocalBoxFuture, Lost, WallTime},
    storage::options::Bounds,
};

/// What comes back of a message.
pub(super) type Reply<T> = LocalBoxFuture<'static, Result<T, Failure>>;

/// One connection to the service: for one read, or for one attempt to write. Messages arrive in the order in which they are sent.
pub(super) struct Connection {
    link: Rc<dyn Link>,
    service: Rc<Service>,
}

impl Connection {
    pub(super) fn open(links: &Rc<dyn Links>, service: &Rc<Service>, object: &str) -> Self {
        Self {
            link: links.open(object, &format!("storage of {object}")),
            service: Rc::clone(service),
        }
    }

    pub(super) fn get(&self, keys: Vec<Key>) -> Reply<Vec<(Key, Stored)>> {
        let service = Rc::clone(&self.service);
        self.send(async move { service.get(&keys) })
    }

    pub(super) fn list(&self, bounds: Bounds) -> Reply<Page> {
        let service = Rc::clone(&self.service);
        self.send(async move { service.list(&bounds) })
    }

    pub(super) fn alarm(&self) -> Reply<Option<WallTime>> {
        let service = Rc::clone(&self.service);
        self.send(async move { service.alarm() })
    }

    pub(super) fn apply(&self, change: Change) -> Reply<usize> {
        self.send(Rc::clone(&self.service).apply(change))
    }

    pub(super) fn delete_all(&self) -> Reply<usize> {
        self.send(Rc::clone(&self.service).delete_all())
    }

    /// Applies `changes` in one transaction of the service. All its messages are sent at once, the commit last (LK-6).
    pub(super) fn transaction(&self, changes: Vec<Change>) -> Reply<Vec<usize>> {
        let (staged, expected) = (Rc::<Staged>::default(), changes.len());
        let mut messages: Vec<LocalBoxFuture<'static, Result<Vec<usize>, Failure>>> = Vec::new();
        for change in changes {
            let (service, staged) = (Rc::clone(&self.service), Rc::clone(&staged));
            messages.push(Box::pin(async move {
                service.stage(&staged, change).map(|()| Vec::new())
            }));
        }
        messages.push(Box::pin(Rc::clone(&self.service).commit(staged, expected)));
        let replies = self.exchange(messages);
        Box::pin(async move {
            let mut replies = replies.await?;
            Ok(replies.pop().expect("the commit was the last message"))
        })
    }

    fn send<T: 'static>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + 'static,
    ) -> Reply<T> {
        let replies = self.exchange(vec![Box::pin(work)]);
        Box::pin(async move {
            let mut replies = replies.await?;
            Ok(replies.pop().expect("one message has one reply"))
        })
    }

    /// Sends messages, one behind the other, without waiting for the replies. `work` is what the service does when one arrives. Fails
    /// with the first failure, but not before every message has met its end.
    fn exchange<T: 'static>(
        &self,
        messages: Vec<LocalBoxFuture<'static, Result<T, Failure>>>,
    ) -> Reply<Vec<T>> {
        let link = Rc::clone(&self.link);
        let sent: Vec<_> = messages
            .into_iter()
            .map(|work| (link.carry(Leg::Call), work))
            .collect();
        Box::pin(async move {
            let mut replies = Vec::with_capacity(sent.len());
            for (arrives, work) in sent {
                replies.push(match arrives.await {
                    Ok(()) => {
                        let outcome = work.await;
                        Some((link.carry(Leg::Reply), outcome))
                    }
                    Err(Lost) => None,
                });
            }
            let mut outcomes = Vec::with_capacity(replies.len());
            for reply in replies {
                outcomes.push(match reply {
                    Some((arrives, outcome)) => match arrives.await {
                        Ok(()) => outcome,
                        Err(Lost) => Err(Failure::Disconnected),
                    },
                    None => Err(Failure::Disconnected),
                });
            }
            outcomes.into_iter().collect()
        })
    }
}
