//! The picture of a chain: its jobs from left to right, above each what it waits for, and at the end what waits for the
//! chain.

use hardstop_domain::{ChainId, JobId, State};
use hardstop_store::ChainDetail;
use uuid::Uuid;

/// How many jobs are drawn at either end of a chain; those between are counted.
const ENDS_MAX: usize = 12;
/// How many blockers of a job, and dependents of the chain, are drawn.
const BESIDE_MAX: usize = 6;
const BOX_WIDTH: u32 = 168;
const BOX_HEIGHT: u32 = 44;
const GAP_ACROSS: u32 = 44;
const GAP_DOWN: u32 = 18;
const MARGIN: u32 = 10;

/// A job or a chain.
pub struct Node {
    pub x: u32,
    pub y: u32,
    /// Where it leads to; none for what stands for several.
    pub address: Option<String>,
    pub name: String,
    pub note: String,
    pub state: &'static str,
    /// Whether it is of this chain.
    pub here: bool,
}

/// From one to another.
pub struct Edge {
    pub path: String,
    /// Whether it is still waited for.
    pub waits: bool,
}

/// A picture.
pub struct Graph {
    pub width: u32,
    pub height: u32,
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
}

impl Graph {
    pub const BOX_WIDTH: u32 = BOX_WIDTH;
    pub const BOX_HEIGHT: u32 = BOX_HEIGHT;

    /// The picture of a chain.
    pub fn of(chain: &ChainDetail) -> Self {
        let mut graph = Self {
            width: 0,
            height: 0,
            nodes: Vec::new(),
            edges: Vec::new(),
        };
        // The jobs stand below as many blockers as the job has that has most.
        let deepest = chain.jobs.iter().map(|job| graph.rows_above(chain, job.id));
        let row = deepest.max().unwrap_or(0);
        let count = chain.jobs.len();
        let hidden = count.saturating_sub(2 * ENDS_MAX);
        let mut column = 0;
        for (index, job) in chain.jobs.iter().enumerate() {
            if hidden > 0 && index == ENDS_MAX {
                graph.put(
                    column,
                    row,
                    None,
                    format!("{hidden} more jobs"),
                    String::new(),
                    "",
                    true,
                );
                graph.join((column - 1, row), (column, row), false);
                column += 1;
            }
            if hidden > 0 && (ENDS_MAX..ENDS_MAX + hidden).contains(&index) {
                continue;
            }
            if column > 0 {
                graph.join((column - 1, row), (column, row), false);
            }
            graph.put(
                column,
                row,
                Some(address("jobs", job.id.0)),
                job.type_name.to_string(),
                note(job.id.0, Some(job.state)),
                job.state.name(),
                true,
            );
            graph.blockers(chain, job.id, column, row);
            column += 1;
        }
        graph.dependents(chain, column, row);
        graph
    }

    fn rows_above(&self, chain: &ChainDetail, job: JobId) -> u32 {
        let blockers = chain
            .blockers
            .iter()
            .filter(|blocker| blocker.job == job)
            .count();
        blockers.min(BESIDE_MAX + 1) as u32
    }

    fn blockers(&mut self, chain: &ChainDetail, job: JobId, column: u32, row: u32) {
        let blockers: Vec<_> = chain
            .blockers
            .iter()
            .filter(|blocker| blocker.job == job)
            .collect();
        let more = blockers.len().saturating_sub(BESIDE_MAX);
        let above = self.rows_above(chain, job);
        for (index, blocker) in blockers.iter().take(BESIDE_MAX).enumerate() {
            let at = row - above + index as u32;
            let state = blocker.state.map_or("", State::name);
            self.put(
                column,
                at,
                Some(address("chains", blocker.chain_id.0)),
                "chain".to_owned(),
                note(blocker.chain_id.0, blocker.state),
                state,
                false,
            );
            self.drop_into((column, at), (column, row), blocker.awaited);
        }
        if more > 0 {
            self.put(
                column,
                row - 1,
                None,
                format!("{more} more chains"),
                String::new(),
                "",
                false,
            );
            self.drop_into((column, row - 1), (column, row), false);
        }
    }

    fn dependents(&mut self, chain: &ChainDetail, column: u32, row: u32) {
        let shown = chain.dependents.iter().take(BESIDE_MAX).enumerate();
        for (index, dependent) in shown {
            let at = (column, row + index as u32);
            self.put(
                at.0,
                at.1,
                Some(address("jobs", dependent.job.0)),
                dependent.type_name.to_string(),
                note(dependent.job.0, Some(dependent.state)),
                dependent.state.name(),
                false,
            );
            self.join((column.saturating_sub(1), row), at, dependent.awaited);
        }
        let more = chain.dependents.len().saturating_sub(BESIDE_MAX);
        if more > 0 {
            let plus = if chain.more_dependents {
                "or more "
            } else {
                ""
            };
            let at = (column, row + BESIDE_MAX as u32);
            self.put(
                at.0,
                at.1,
                None,
                format!("{more} {plus}more jobs"),
                String::new(),
                "",
                false,
            );
            self.join((column.saturating_sub(1), row), at, false);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a place and what stands there")]
    fn put(
        &mut self,
        column: u32,
        row: u32,
        address: Option<String>,
        name: String,
        note: String,
        state: &'static str,
        here: bool,
    ) {
        let (x, y) = place((column, row));
        // Beside a box there may be a line down from it.
        self.width = self.width.max(x + BOX_WIDTH + GAP_ACROSS / 4 + MARGIN);
        self.height = self.height.max(y + BOX_HEIGHT + MARGIN);
        self.nodes.push(Node {
            x,
            y,
            address,
            name: shortened(name),
            note,
            state,
            here,
        });
    }

    /// From the right side of one to the left side of the other.
    fn join(&mut self, from: (u32, u32), to: (u32, u32), waits: bool) {
        let ((x1, y1), (x2, y2)) = (place(from), place(to));
        let (x1, y1, y2) = (x1 + BOX_WIDTH, y1 + BOX_HEIGHT / 2, y2 + BOX_HEIGHT / 2);
        let middle = x1 + GAP_ACROSS / 2;
        let path = format!("M{x1} {y1} H{middle} V{y2} H{}", x2 - 7);
        self.edges.push(Edge { path, waits });
    }

    /// From the left side of a blocker, down beside those below it, to the top of the job.
    fn drop_into(&mut self, from: (u32, u32), to: (u32, u32), waits: bool) {
        let ((x1, y1), (x2, y2)) = (place(from), place(to));
        let path = match to.1 - from.1 {
            1 => format!("M{} {} V{}", x1 + BOX_WIDTH / 2, y1 + BOX_HEIGHT, y2 - 7),
            _ => {
                let side = x1 + BOX_WIDTH + GAP_ACROSS / 4;
                let (middle, above) = (y1 + BOX_HEIGHT / 2, y2 - GAP_DOWN / 2 - 3);
                format!(
                    "M{} {middle} H{side} V{above} H{} V{}",
                    x1 + BOX_WIDTH,
                    x2 + BOX_WIDTH * 3 / 4,
                    y2 - 7
                )
            }
        };
        self.edges.push(Edge { path, waits });
    }
}

fn place((column, row): (u32, u32)) -> (u32, u32) {
    (
        MARGIN + column * (BOX_WIDTH + GAP_ACROSS),
        MARGIN + row * (BOX_HEIGHT + GAP_DOWN),
    )
}

fn address(section: &str, id: Uuid) -> String {
    format!("/{section}/{id}")
}

fn note(id: Uuid, state: Option<State>) -> String {
    let id = id.to_string();
    let state = state.map_or("not kept", State::name);
    format!("{} {state}", &id[24..])
}

fn shortened(name: String) -> String {
    match name.chars().count() {
        0..=21 => name,
        _ => name.chars().take(20).chain(['…']).collect(),
    }
}

impl Graph {
    /// Of a chain that waits for nothing and has one job there is nothing to draw that the facts do not say.
    pub fn is_worth_it(&self) -> bool {
        self.nodes.len() > 1
    }

    /// For those who cannot see it.
    pub fn told(&self, chain: &ChainId) -> String {
        let of_chain = self.nodes.iter().filter(|node| node.here).count();
        format!(
            "Chain {chain}: {of_chain} boxes of jobs, {} of what they wait for or what waits for them",
            self.nodes.len() - of_chain
        )
    }
}
