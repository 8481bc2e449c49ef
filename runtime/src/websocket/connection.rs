//! A connection: two ends, what each has said to the other, and who may use them.
//!
//! Both ends are the same kind of thing. *Near* is the one whose machine made the connection, the object's in practice; *far* is the one that a response
//! carried away. An end belongs to one holder at a time: handing it over makes every handle that was there before worthless.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::VecDeque,
    rc::{Rc, Weak},
    task::Waker,
};

use super::{
    WebSocketIncomingMessage,
    events::Listeners,
    hibernation::Attached,
    traffic::{Arrived, Leaving},
};
use crate::{
    activation::{Activation, Awake},
    platform::{SocketEnd, SocketLink, Spawn},
};

/// Two ends and the way between them.
pub(crate) struct Connection {
    pub(super) link: Rc<dyn SocketLink>,
    /// Both ends have a holder. Until then what is sent waits.
    pub(super) reached: Cell<bool>,
    /// Where it leads to, if this code opened it; for its near end.
    dialed: OnceCell<Dialed>,
    near: End,
    far: End,
}

/// What is known of a connection to a server outside.
pub(crate) struct Dialed {
    pub(crate) url: String,
    /// The protocol that the server chose; empty if none.
    pub(crate) protocol: String,
}

/// One end, as its holder sees it.
pub(crate) struct End {
    /// Where its holder's tasks run.
    pub(super) home: RefCell<Rc<dyn Spawn>>,
    /// How often it was handed over: only a handle with this number may use it.
    holder: Cell<u32>,
    pub(super) role: RefCell<Role>,
    pub(super) closing: Cell<Closing>,
    pub(super) traffic: Traffic,
    pub(super) attachment: RefCell<Option<Box<[u8]>>>,
    /// Made by the first listener, or by the first event of an `accept()`ed socket.
    pub(super) listeners: RefCell<Option<Rc<Listeners>>>,
}

/// What is on its way from an end, and what has come to it.
#[derive(Default)]
pub(super) struct Traffic {
    /// Frames sent so far, Close and Cut included.
    pub(super) sent: Cell<u32>,
    pub(super) leaving: RefCell<VecDeque<Leaving>>,
    /// How many of `leaving` are under way already.
    pub(super) under_way: Cell<usize>,
    pub(super) leaving_bytes: Cell<usize>,
    /// A task moves `leaving` on.
    pub(super) moves: Cell<bool>,
    pub(super) arrived: RefCell<VecDeque<Arrived>>,
    pub(super) arrived_bytes: Cell<usize>,
    /// A task is about to look at `arrived`.
    pub(super) called: Cell<bool>,
    /// The first turn of an event's handler has not run yet: nothing further is read (W-16).
    pub(super) busy: Cell<bool>,
    /// Somebody waits for the news that the connection broke.
    pub(super) watched: Cell<bool>,
}

/// Who reads what arrives.
pub(super) enum Role {
    /// Nobody yet.
    Fresh,
    /// Listeners (`accept()`).
    Accepted(Accepted),
    /// The handlers of the object, in memory or not.
    Hibernatable(Weak<Attached>),
    /// Its last event has been handled; the code may still answer it, as long as the object is in memory (W-28).
    Released(Weak<Activation>),
    /// Somebody who passes the frames on as they are, and wants to be woken.
    #[cfg_attr(
        not(feature = "server"),
        allow(dead_code, reason = "only the front is one")
    )]
    Held(Option<Waker>),
    /// Nobody any more.
    Gone,
}

/// How a socket was `accept()`ed.
pub(super) struct Accepted {
    /// The object that did, if it was one.
    pub(super) owner: Option<Weak<Activation>>,
    /// Keeps that object in memory while the socket is open (L-8).
    pub(super) awake: Option<Awake>,
    /// A Close is answered by itself (W-29).
    pub(super) replies_to_close: bool,
}

/// How far the closing of an end has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Closing {
    /// A Close was sent: nothing may be sent any more.
    pub(super) sent: bool,
    /// A Close was received, or took the place of one that never came.
    pub(super) received: bool,
    /// There is no connection any more: what is sent goes nowhere.
    pub(super) broken: bool,
}

/// What goes over a connection.
#[derive(Debug)]
pub(crate) enum Frame {
    /// A message.
    Message(WebSocketIncomingMessage),
    /// The sender will send no more; without a code if it gave none.
    Close(Option<(u16, String)>),
    /// Not sent by anybody: the other end is gone.
    Cut,
    /// The peer broke the protocol, as whoever speaks it with him found.
    Failed(String),
}

/// What a queued frame costs beside its bytes.
const FRAME_OVERHEAD_BYTES: usize = 96;

impl Frame {
    pub(super) fn bytes(&self) -> usize {
        FRAME_OVERHEAD_BYTES
            + match self {
                Self::Message(WebSocketIncomingMessage::String(text)) => text.len(),
                Self::Message(WebSocketIncomingMessage::Binary(bytes)) => bytes.len(),
                Self::Close(Some((_, reason))) => reason.len(),
                Self::Close(None) | Self::Cut => 0,
                Self::Failed(why) => why.len(),
            }
    }

    /// How it is called in traces.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Message(_) => "message",
            Self::Close(_) => "close",
            Self::Cut => "cut",
            Self::Failed(_) => "failed",
        }
    }
}

pub(super) fn other(end: SocketEnd) -> SocketEnd {
    match end {
        SocketEnd::Near => SocketEnd::Far,
        SocketEnd::Far => SocketEnd::Near,
    }
}

/// How an end is called in traces.
pub(super) fn end_label(end: SocketEnd) -> &'static str {
    match end {
        SocketEnd::Near => "near",
        SocketEnd::Far => "far",
    }
}

impl Connection {
    /// Both ends at `home`, neither of them accepted.
    pub(crate) fn new(link: Rc<dyn SocketLink>, home: &Rc<dyn Spawn>) -> Rc<Self> {
        let end = || End {
            home: RefCell::new(Rc::clone(home)),
            holder: Cell::new(0),
            role: RefCell::new(Role::Fresh),
            closing: Cell::default(),
            traffic: Traffic::default(),
            attachment: RefCell::default(),
            listeners: RefCell::default(),
        };
        Rc::new(Self {
            link,
            reached: Cell::new(false),
            dialed: OnceCell::new(),
            near: end(),
            far: end(),
        })
    }

    /// How it is called in traces.
    pub(crate) fn number(&self) -> u64 {
        self.link.number()
    }

    pub(super) fn end(&self, end: SocketEnd) -> &End {
        match end {
            SocketEnd::Near => &self.near,
            SocketEnd::Far => &self.far,
        }
    }

    /// It leads to a server outside.
    #[cfg_attr(
        not(feature = "server"),
        allow(dead_code, reason = "only the dialler can open one")
    )]
    pub(crate) fn leads_to(&self, dialed: Dialed) {
        let _ = self.dialed.set(dialed); // it is opened once
    }

    /// What the holder of the end `at` knows of the server at the other end, if that is one.
    pub(super) fn dialed(&self, at: SocketEnd) -> Option<&Dialed> {
        self.dialed.get().filter(|_| at == SocketEnd::Near)
    }

    /// The end `at` changes hands; the number of the new handle.
    pub(super) fn hand_over(&self, at: SocketEnd) -> u32 {
        let holder = &self.end(at).holder;
        holder.set(holder.get() + 1);
        holder.get()
    }

    /// Both ends have a holder.
    pub(super) fn is_reached(&self) -> bool {
        self.reached.get()
    }

    /// The end `at` is in the hands of `holder`, whose tasks run at `home`: what was sent to it can go there.
    pub(crate) fn reach(self: &Rc<Self>, at: SocketEnd, holder: &str, home: Rc<dyn Spawn>) {
        *self.end(at).home.borrow_mut() = home;
        self.link.reach(holder);
        self.reached.set(true);
        for end in [SocketEnd::Near, SocketEnd::Far] {
            self.move_on(end);
            self.watch(end);
        }
    }

    /// Tells the end `at` when its connection breaks.
    fn watch(self: &Rc<Self>, at: SocketEnd) {
        let end = self.end(at);
        let Some(broken) = self.link.broken(at) else {
            return;
        };
        if end.traffic.watched.replace(true) {
            return;
        }
        let connection = Rc::downgrade(self);
        end.spawn(async move {
            broken.await;
            if let Some(connection) = connection.upgrade() {
                connection.lose(at);
            }
        });
    }
}

impl End {
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let home = Rc::clone(&self.home.borrow());
        home.spawn(Box::pin(task));
    }

    pub(super) fn is_fresh(&self) -> bool {
        matches!(*self.role.borrow(), Role::Fresh)
    }

    /// The number of its present holder.
    pub(super) fn holder(&self) -> u32 {
        self.holder.get()
    }

    pub(super) fn is_held_by(&self, holder: u32) -> bool {
        self.holder.get() == holder
    }

    /// It was handed over at least once.
    pub(super) fn was_handed_over(&self) -> bool {
        self.holder.get() > 0
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Closing)) {
        let mut closing = self.closing.get();
        change(&mut closing);
        self.closing.set(closing);
    }

    pub(super) fn listeners(&self) -> Rc<Listeners> {
        Rc::clone(self.listeners.borrow_mut().get_or_insert_with(Rc::default))
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Connection").field(&self.number()).finish()
    }
}
