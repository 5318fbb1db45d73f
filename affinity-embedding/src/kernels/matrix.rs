//! Matrices: views into rows of floats, and the packed form of a product's right side.

/// Columns that a product computes together: two AVX registers.
pub(super) const LANES: usize = 16;

/// Rows of `columns` floats, `stride` apart.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    values: &'a [f32],
    row_count: usize,
    columns: usize,
    stride: usize,
}

impl<'a> Matrix<'a> {
    /// All of `values`, rows of `columns`.
    pub(crate) fn new(values: &'a [f32], columns: usize) -> Self {
        Self { values, row_count: values.len() / columns, columns, stride: columns }
    }

    /// `row_count` rows from `row`, each cut to `columns` columns from `column`.
    pub(crate) fn part(self, (row, row_count): (usize, usize), (column, columns): (usize, usize)) -> Self {
        assert!(row + row_count <= self.row_count && column + columns <= self.columns, "part of a matrix");
        let values = &self.values[row * self.stride + column..];
        Self { values, row_count, columns, stride: self.stride }
    }

    pub(crate) fn row_count(&self) -> usize {
        self.row_count
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row * self.stride..][..self.columns]
    }
}

/// As [`Matrix`], to be written.
pub(crate) struct MatrixMut<'a> {
    values: &'a mut [f32],
    row_count: usize,
    columns: usize,
    stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// All of `values`, rows of `columns`.
    pub(crate) fn new(values: &'a mut [f32], columns: usize) -> Self {
        let row_count = values.len() / columns;
        Self { values, row_count, columns, stride: columns }
    }

    /// `row_count` rows from `row`, each cut to `columns` columns from `column`.
    pub(crate) fn part(self, (row, row_count): (usize, usize), (column, columns): (usize, usize)) -> Self {
        assert!(row + row_count <= self.row_count && column + columns <= self.columns, "part of a matrix");
        let values = &mut self.values[row * self.stride + column..];
        Self { values, row_count, columns, stride: self.stride }
    }

    pub(super) fn shape(&self) -> (usize, usize) {
        (self.row_count, self.columns)
    }

    /// Columns `column` up to a panel's width of one row.
    pub(super) fn segment(&mut self, row: usize, column: usize) -> &mut [f32] {
        let length = LANES.min(self.columns - column);
        &mut self.values[row * self.stride + column..][..length]
    }
}

/// The right side of products, and a bias for each of its columns: columns in panels of [`LANES`], each panel
/// stored row by row, so that a product reads memory in order. The last panel is filled up with zeros.
#[derive(Default)]
pub(crate) struct Panels {
    depth: usize,
    width: usize,
    values: Vec<[f32; LANES]>,
    bias: Vec<[f32; LANES]>,
}

impl Panels {
    /// Of a linear layer: `rows[j]` holds the weights of output `j`, `bias[j]` is added to it.
    pub(crate) fn of_layer(rows: Matrix<'_>, bias: &[f32]) -> Self {
        assert_eq!(rows.row_count(), bias.len(), "a bias for each output");
        let mut panels = Self::default();
        panels.pack_transposed(rows);
        for (column, bias) in bias.iter().enumerate() {
            panels.bias[column / LANES][column % LANES] = *bias;
        }
        panels
    }

    fn clear(&mut self, depth: usize, width: usize) {
        (self.depth, self.width) = (depth, width);
        let panel_count = width.div_ceil(LANES);
        self.values.clear();
        self.values.resize(depth * panel_count, [0.0; LANES]);
        self.bias.clear();
        self.bias.resize(panel_count, [0.0; LANES]);
    }

    /// Row `j` of `rows` becomes column `j`, without bias.
    pub(crate) fn pack_transposed(&mut self, rows: Matrix<'_>) {
        self.clear(rows.columns(), rows.row_count());
        for column in 0..rows.row_count() {
            let panel = &mut self.values[column / LANES * self.depth..][..self.depth];
            for (lanes, value) in panel.iter_mut().zip(rows.row(column)) {
                lanes[column % LANES] = *value;
            }
        }
    }

    /// As it is, without bias.
    pub(crate) fn pack(&mut self, rows: Matrix<'_>) {
        self.clear(rows.row_count(), rows.columns());
        for row in 0..rows.row_count() {
            for (panel, segment) in rows.row(row).chunks(LANES).enumerate() {
                self.values[panel * self.depth + row][..segment.len()].copy_from_slice(segment);
            }
        }
    }

    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Each panel's rows and bias.
    pub(super) fn panels(&self) -> impl Iterator<Item = (&[[f32; LANES]], &[f32; LANES])> {
        self.values.chunks_exact(self.depth).zip(&self.bias)
    }
}
