//! Edges back to back: one array for each property that any of them has, all in one allocation.

use std::ops::Range;
use std::sync::Arc;

use super::adjacency::{EdgeRow, EdgeSizes};
use super::column::{Cell, Column};
use super::schema::{AttributeType, Relation};
use super::terms::EVERYONE;
use crate::storage::Slab;

/// What the edges of a relation carry.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    weighted: bool,
    types: Arc<[AttributeType]>,
}

impl Shape {
    pub(crate) fn of(relation: &Relation) -> Self {
        let types = relation.attributes.entries().iter().map(|(_, of)| *of).collect();
        Self { weighted: relation.weighted, types }
    }
}

/// Which properties a block has besides targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) weights: bool,
    pub(crate) times: bool,
    pub(crate) audiences: bool,
    pub(crate) origins: bool,
}

impl Parts {
    /// Numbers of one edge.
    pub(crate) fn width(self) -> usize {
        [self.weights, self.times, self.audiences, self.origins].map(usize::from).iter().sum::<usize>() + 1
    }
}

/// Edges back to back; a property that no edge of the block uses has no array.
#[derive(Clone, Debug)]
pub(crate) struct EdgeBlock {
    /// Targets, then the properties in the order of [`Parts`], each as long.
    numbers: Slab<u32>,
    edge_count: u32,
    parts: Parts,
    columns: Arc<[Column]>,
}

/// A part of a block in the making.
pub(crate) enum Piece<'a> {
    /// Edges of another block.
    Part(&'a EdgeBlock, Range<usize>),
    /// All edges of another block.
    Whole(Arc<EdgeBlock>),
    /// A new edge.
    Row(EdgeRow),
}

impl Piece<'_> {
    /// The block and the edges that are taken from it, or the new edge.
    fn source(&self) -> Result<(&EdgeBlock, Range<usize>), &EdgeRow> {
        match self {
            Self::Part(block, range) => Ok((block, range.clone())),
            Self::Whole(block) => Ok((block, 0..block.edge_count())),
            Self::Row(row) => Err(row),
        }
    }
}

impl EdgeBlock {
    /// A block as read back from a snapshot; `None` when the lengths do not fit.
    pub(crate) fn from_slab(
        numbers: Slab<u32>,
        edge_count: usize,
        parts: Parts,
        columns: Arc<[Column]>,
    ) -> Option<Self> {
        let is_fitting = numbers.len() == edge_count * parts.width();
        let edge_count = u32::try_from(edge_count).ok().filter(|_| is_fitting)?;
        Some(Self { numbers, edge_count, parts, columns })
    }

    /// All edges of `pieces`, which come in order.
    pub(crate) fn assemble(pieces: &[Piece<'_>], shape: &Shape) -> Self {
        let edge_count = pieces.iter().map(|piece| piece.source().map_or(1, |(_, range)| range.len())).sum();
        let any = |of: fn(&EdgeBlock) -> &[u32], in_row: fn(&EdgeRow) -> u32, none: u32| {
            pieces.iter().any(|piece| match piece.source() {
                Ok((block, range)) => {
                    let all = of(block);
                    !all.is_empty() && all[range].iter().any(|number| *number != none)
                }
                Err(row) => in_row(row) != none,
            })
        };
        let parts = Parts {
            weights: shape.weighted,
            times: any(Self::times, |row| row.time, 0),
            audiences: any(Self::audiences, |row| row.audience, EVERYONE),
            origins: any(Self::origins, |row| row.origin, 0),
        };
        let mut numbers: Vec<u32> = Vec::with_capacity(edge_count * parts.width());
        let mut append = |is_there: bool, of: fn(&EdgeBlock) -> &[u32], in_row: fn(&EdgeRow) -> u32, none| {
            for piece in pieces.iter().filter(|_| is_there) {
                match piece.source() {
                    Ok((block, range)) if of(block).is_empty() => {
                        numbers.resize(numbers.len() + range.len(), none);
                    }
                    Ok((block, range)) => numbers.extend_from_slice(&of(block)[range]),
                    Err(row) => numbers.push(in_row(row)),
                }
            }
        };
        append(true, Self::targets, |row| row.target, 0);
        append(parts.weights, Self::weight_bits, |row| row.weight.to_bits(), 1.0_f32.to_bits());
        append(parts.times, Self::times, |row| row.time, 0);
        append(parts.audiences, Self::audiences, |row| row.audience, EVERYONE);
        append(parts.origins, Self::origins, |row| row.origin, 0);
        let column = |(position, of): (usize, &AttributeType)| {
            let mut cells = Vec::with_capacity(edge_count);
            for piece in pieces {
                match piece.source() {
                    Ok((block, range)) => cells.extend(range.map(|edge| block.columns[position].get(edge))),
                    Err(row) => cells.push(row.cells.get(position).cloned().unwrap_or(Cell::Absent)),
                }
            }
            Column::from_cells(*of, &cells)
        };
        let columns = shape.types.iter().enumerate().map(column).collect();
        let edge_count = u32::try_from(edge_count).unwrap_or(u32::MAX); // blocks hold thousands
        Self { numbers: numbers.into(), edge_count, parts, columns }
    }

    pub(crate) fn edge_count(&self) -> usize {
        self.edge_count as usize
    }

    pub(crate) fn parts(&self) -> Parts {
        self.parts
    }

    /// All its arrays, as a snapshot keeps them.
    pub(crate) fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// The property that lies behind `before` others, if the block has it.
    #[inline]
    fn property(&self, is_there: bool, before: usize) -> &[u32] {
        let count = if is_there { self.edge_count() } else { 0 };
        &self.numbers[before * self.edge_count()..][..count]
    }

    #[inline]
    pub(crate) fn targets(&self) -> &[u32] {
        self.property(true, 0)
    }

    #[inline]
    fn weight_bits(&self) -> &[u32] {
        self.property(self.parts.weights, 1)
    }

    #[inline]
    pub(crate) fn weights(&self) -> &[f32] {
        bytemuck::cast_slice(self.weight_bits())
    }

    #[inline]
    pub(crate) fn times(&self) -> &[u32] {
        self.property(self.parts.times, 1 + usize::from(self.parts.weights))
    }

    #[inline]
    pub(crate) fn audiences(&self) -> &[u32] {
        let before = 1 + usize::from(self.parts.weights) + usize::from(self.parts.times);
        self.property(self.parts.audiences, before)
    }

    #[inline]
    pub(crate) fn origins(&self) -> &[u32] {
        self.property(self.parts.origins, self.parts.width() - 1)
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Target and origin of an edge, by which lists rise.
    pub(crate) fn place(&self, edge: usize) -> (u32, u32) {
        (self.targets()[edge], self.origins().get(edge).copied().unwrap_or(0))
    }

    /// The first edge of a list that is not before `place`, or the end of the list.
    pub(crate) fn first_from(&self, list: Range<usize>, place: (u32, u32)) -> usize {
        let (mut first, mut end) = (list.start, list.end);
        while first < end {
            let middle = first.midpoint(end);
            if self.place(middle) < place {
                first = middle + 1;
            } else {
                end = middle;
            }
        }
        first
    }

    pub(crate) fn add_sizes(&self, sizes: &mut EdgeSizes) {
        let bytes = |is_there: bool| if is_there { self.edge_count() * 4 } else { 0 };
        sizes.targets += bytes(true);
        sizes.weights += bytes(self.parts.weights);
        sizes.times += bytes(self.parts.times);
        sizes.audiences += bytes(self.parts.audiences);
        sizes.origins += bytes(self.parts.origins);
        sizes.lists += self.numbers.size_bytes() - self.numbers.len() * 4;
        sizes.attributes += self.columns.iter().map(Column::size_bytes).sum::<usize>();
    }
}
