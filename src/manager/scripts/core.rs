//! All processes of triggers, and what waits for them.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::conn::deadline::Tick;
use crate::conn::event::{ConnId, ExchangeId};
use crate::engine::Engine;
use crate::engine::child::ChildId;
use crate::proto::cgi::Head;

use super::held::Held;
use super::lane::{Lane, Told};
use super::role::Process;
use super::world::World;

/// All processes of triggers.
#[derive(Debug, Default)]
pub(in crate::manager) struct Scripts {
    pub(super) world: World,
    pub(super) lanes: BTreeMap<u32, Lane>,
    pub(super) processes: HashMap<ChildId, Process>,
    /// Which process answers a request.
    pub(super) answering: HashMap<ExchangeId, ChildId>,
    /// Which process follows a connection, by its rule.
    pub(super) following: HashMap<(u32, ConnId), ChildId>,
    /// Those whose output waits for the peer of a connection.
    pub(super) paused: HashMap<ConnId, Vec<ChildId>>,
    /// Answers that begin to flow at that time, unless they are whole by then.
    pub(super) begun: Vec<(ChildId, Tick)>,
    /// What scripts say beside the files that they have sent.
    pub(super) files: HashMap<ExchangeId, Box<Head>>,
    pub(super) held: Held,
    pub(super) told: VecDeque<Told>,
    /// Bytes that wait here, or were collected.
    pub(super) bytes: usize,
    pub(super) spawns_left: usize,
    pub(super) stopping: bool,
    pub(super) next: Option<Tick>,
}

impl Scripts {
    pub(in crate::manager) fn set_world(&mut self, world: World) {
        self.world = world;
    }

    /// Whether so many bytes more may be kept. A quarter of the memory is for what waits here.
    pub(super) fn has_room(&self, engine: &mut Engine, more: usize) -> bool {
        let own = self.bytes + engine.children().held() + more;
        let max = engine.memory().max();
        own <= max / 4 && engine.memory().used() + own <= max
    }

    /// When `on_time` or `pump` has something to do; now when that is so already.
    pub(in crate::manager) fn deadline(&self) -> Option<Tick> {
        self.next
    }

    /// Sets that down.
    pub(super) fn plan(&mut self, now: Tick) {
        let waits = |lane: &Lane| !self.stopping && lane.has_free() && !lane.queue.is_empty();
        if !self.told.is_empty() || self.lanes.values().any(waits) {
            self.next = Some(now);
            return;
        }
        let stops = self.processes.values().filter_map(|it| it.stop.deadline());
        let again = self.lanes.values().filter_map(|lane| lane.worker.again);
        let again = again.filter(|_| !self.stopping);
        let dropped = self.lanes.values().filter_map(Lane::tells_dropped);
        let all = stops.chain(again).chain(dropped);
        let begun = self.begun.iter().map(|(_, due)| *due);
        let all = all.chain(begun).chain(self.held.deadline());
        self.next = all.reduce(Tick::earlier);
    }

    /// What a script says beside the file that it has sent.
    pub(in crate::manager) fn take_file(&mut self, exchange: ExchangeId) -> Option<Box<Head>> {
        self.files.remove(&exchange)
    }

    /// Something to tell.
    pub(in crate::manager) fn take_told(&mut self) -> Option<Told> {
        self.told.pop_front()
    }
}
