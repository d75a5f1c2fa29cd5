"""Alterations of tables: as other programs write them, and damaged."""

import csv
import gzip
import io

from tests.strategies.alteration import LABEL, TABLE, NotApplicableError, damages, preserves

# Columns that the default cleaning regresses out.
MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
USED = (*MOTION, "trans_x_derivative1", "rot_z_derivative1", "c_comp_cor_00", "w_comp_cor_01")


def table_file(data):
    """Choose a table of the run: the confounds, or custom regressors if there are any."""
    customs = sorted((data.root.parent / "custom").glob(f"sub-{LABEL}_*.tsv"))
    return data.random.choice((data.file(TABLE), *customs))


def read_rows(path):
    """Read the cells of a table, if no other alteration has changed its format."""
    try:
        rows = list(csv.reader(io.StringIO(path.read_text("utf-8")), delimiter="\t"))
    except UnicodeError as error:
        raise NotApplicableError(path.name) from error
    if not rows or len({len(row) for row in rows}) != 1 or len(rows[0]) < 2 or '"' in path.read_text("utf-8"):
        raise NotApplicableError(path.name)
    return rows


def column_index(rows, name, path):
    """Find a column, if no other alteration has removed or renamed it."""
    if name not in rows[0]:
        raise NotApplicableError(path.name)
    return rows[0].index(name)


def write_rows(path, rows, separator="\t", end="\n"):
    path.write_text("".join(separator.join(row) + end for row in rows), "utf-8", newline="")


def change_rows(data, change, path=None):
    """Change the rows of a table; the first one has the names."""
    path = path or table_file(data)
    write_rows(path, change(read_rows(path)))


def change_text(data, change, path=None):
    path = path or table_file(data)
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeError as error:
        raise NotApplicableError(path.name) from error
    path.write_bytes(change(text).encode("utf-8"))


def is_missing(cell):
    return cell in ("", "n/a")


def data_cells(rows, change):
    """Change all cells below the names."""
    return [rows[0], *([change(cell) for cell in row] for row in rows[1:])]


# As other programs write tables


@preserves("tables", readable=True)
def byte_order_mark(data):
    change_text(data, lambda text: "\ufeff" + text)


@preserves("tables", readable=True)
def line_ends_of_windows(data):
    change_text(data, lambda text: text.replace("\r\n", "\n").replace("\n", "\r\n"))


@preserves("tables")
def line_ends_of_old_macs(data):
    change_text(data, lambda text: text.replace("\r\n", "\n").replace("\n", "\r"))


@preserves("tables", readable=True)
def columns_in_another_order(data):
    def change(rows):
        order = list(range(len(rows[0])))
        data.random.shuffle(order)
        return [[row[index] for index in order] for row in rows]

    change_rows(data, change)


@preserves("tables", readable=True)
def further_columns(data):
    cells = data.random.choice(
        (("extra", "1.5"), ("note", "still"), ("unused", "n/a"), ("größe", "2"), ("x y", "inf"))
    )
    path = data.file(TABLE)
    change_rows(data, lambda rows: [[*rows[0], cells[0]], *([*row, cells[1]] for row in rows[1:])], path)


@preserves("tables")
def tab_after_every_row_but_the_names(data):
    change_rows(data, lambda rows: [rows[0], *([*row, ""] for row in rows[1:])])


@preserves("tables")
def tab_after_every_row(data):
    change_rows(data, lambda rows: [[*row, ""] for row in rows])


@preserves("tables")
def row_names_as_r_writes_them(data):
    def change(rows):
        return [rows[0], *([str(number), *row] for number, row in enumerate(rows[1:], start=1))]

    change_rows(data, change)


@preserves("tables")
def quoted_row_names_as_r_writes_them(data):
    def change(rows):
        names = [f'"{name}"' for name in rows[0]]
        return [names, *([f'"{number}"', *row] for number, row in enumerate(rows[1:], start=1))]

    change_rows(data, change)


@preserves("tables")
def index_as_pandas_writes_it(data):
    change_rows(data, lambda rows: [["", *rows[0]], *([str(n), *row] for n, row in enumerate(rows[1:]))])


@preserves("tables", readable=True)
def quoted_names(data):
    change_rows(data, lambda rows: [[f'"{name}"' for name in rows[0]], *rows[1:]])


@preserves("tables", readable=True)
def other_words_for_missing_values(data):
    word = data.random.choice(("NaN", "NA", "", "N/A", "nan", "null", "NULL"))
    change_rows(data, lambda rows: data_cells(rows, lambda cell: word if is_missing(cell) else cell))


@preserves("tables")
def other_words_of_matlab_and_excel(data):
    word = data.random.choice((".", "#N/A", "-", "NAN", "missing", "#VALUE!"))
    change_rows(data, lambda rows: data_cells(rows, lambda cell: word if is_missing(cell) else cell))


@preserves("tables", readable=True, tolerance=1e-4)
def numbers_with_exponents(data):
    change_rows(
        data, lambda rows: data_cells(rows, lambda cell: cell if is_missing(cell) else f"{float(cell):.10E}")
    )


@preserves("tables")
def padded_cells(data):
    change_rows(data, lambda rows: data_cells(rows, lambda cell: f" {cell} "))


@preserves("tables", readable=True)
def empty_lines_at_the_end(data):
    change_text(data, lambda text: text + "\n" * data.random.randint(1, 3))


@preserves("tables", readable=True)
def no_end_of_the_last_line(data):
    change_text(data, lambda text: text.rstrip("\n"))


@preserves("tables")
def empty_lines_inside(data):
    change_text(data, lambda text: text.replace("\n", "\n\n"))


@preserves("tables")
def comment_line_above(data):
    change_text(data, lambda text: "# written by hand\n" + text)


@preserves("tables")
def another_separator(data):
    separator = data.random.choice((",", ";", " ", "|"))
    path = table_file(data)
    write_rows(path, read_rows(path), separator)


@preserves("tables")
def decimal_commas(data):
    change_rows(data, lambda rows: data_cells(rows, lambda cell: cell.replace(".", ",")))


@preserves("tables")
def another_encoding(data):
    encoding = data.random.choice(("utf-16", "utf-16-le", "utf-32", "latin-1"))
    path = table_file(data)
    rows = read_rows(path)
    rows[0][-1] += "é" if encoding == "latin-1" and path.parent == data.func else ""
    path.write_bytes("".join("\t".join(row) + "\n" for row in rows).encode(encoding))


@preserves("tables")
def compressed_table_under_its_name(data):
    path = table_file(data)
    path.write_bytes(gzip.compress(path.read_bytes(), mtime=0))


@preserves("tables", readable=True)
def another_run_of_another_task_in_the_folder(data):
    path = data.donor(TABLE)
    name = path.name.replace("sub-02_task-rest", f"sub-{LABEL}_task-movie")
    (data.func / name).write_bytes(path.read_bytes())


# Damage


def change_cells(data, change, columns, path=None):
    """Change the cells of a column that the cleaning uses."""
    path = path or table_file(data)
    rows = read_rows(path)
    names = [name for name in rows[0] if name in columns or path.parent != data.func]
    if not names:
        raise NotApplicableError(path.name)
    index = rows[0].index(data.random.choice(names))
    column = change([row[index] for row in rows[1:]])
    for row, cell in zip(rows[1:], column, strict=True):
        row[index] = cell
    write_rows(path, rows)


@damages("tables", "inf", "finite")
def infinite_value(data):
    word = data.random.choice(("inf", "-inf", "Inf", "Infinity", "1e999"))
    number = data.random.randrange(1, 40)
    change_cells(data, lambda cells: [*cells[:number], word, *cells[number + 1 :]], USED)


@damages("tables", "n/a")
def missing_value_in_the_middle(data):
    number = data.random.randrange(2, 40)
    change_cells(data, lambda cells: [*cells[:number], "n/a", *cells[number + 1 :]], USED)


@damages("tables", "n/a", tolerance=1e-4)
def column_of_missing_values(data):
    # Derivatives that are missing are computed, with other last digits than those of the table.
    change_cells(data, lambda cells: ["n/a"] * len(cells), USED)


@damages("tables", "numbers")
def words_among_numbers(data):
    number = data.random.randrange(40)
    word = data.random.choice(("still", "0x1F", "1.2.3", "1 2", "--", "1e", "１２x"))
    change_cells(data, lambda cells: [*cells[:number], word, *cells[number + 1 :]], USED)


@damages("tables", "true", "numbers")
def truth_values_among_numbers(data):
    change_cells(data, lambda cells: ["True" if n % 2 else "False" for n in range(len(cells))], USED)


@damages("tables", "rows", "volumes")
def rows_missing(data):
    number = data.random.randint(1, 20)
    change_rows(
        data, lambda rows: [rows[0], *rows[1 + number :]] if data.random.random() < 0.5 else rows[:-number]
    )


@damages("tables", "rows", "volumes")
def a_row_twice(data):
    change_rows(data, lambda rows: [*rows, rows[-1]])


@damages("tables", "rows", "columns", "cells", "fields", "n/a", "line")
def cut_in_the_middle_of_a_row(data):
    change_text(data, lambda text: text[: len(text) * 9 // 10])


@damages("tables", "cells", "columns", "fields", "line")
def a_cell_too_many_in_one_row(data):
    number = data.random.randrange(1, 40)
    change_rows(data, lambda rows: [*rows[:number], [*rows[number], "1"], *rows[number + 1 :]])


@damages("tables", "cells", "columns", "fields", "line", "n/a")
def a_cell_missing_in_one_row(data):
    number = data.random.randrange(2, 40)
    change_rows(data, lambda rows: [*rows[:number], rows[number][:-1], *rows[number + 1 :]])


@damages("tables", "twice", "duplicate", "same name", "more than once")
def a_name_twice(data):
    path = data.file(TABLE)
    rows = read_rows(path)
    names = ("trans_x", data.random.choice(("trans_y", "csf")))
    first, second = (column_index(rows, name, path) for name in names)
    rows[0][second] = rows[0][first]
    write_rows(path, rows)


@damages("tables", "lack", "column")
def a_column_missing(data):
    path = data.file(TABLE)
    rows = read_rows(path)
    index = column_index(rows, data.random.choice(MOTION), path)
    write_rows(path, [row[:index] + row[index + 1 :] for row in rows])


@damages("tables", "empty", "no rows", "cannot be read", "rows")
def empty_table(data):
    path = table_file(data)
    path.write_text(
        data.random.choice(("", "\n", path.read_text("utf-8", "replace").partition("\n")[0] + "\n")), "utf-8"
    )


@damages("tables", "nul", "cannot be read", "not text", "utf-8", "byte")
def zero_bytes_in_the_table(data):
    path = table_file(data)
    content = path.read_bytes()
    path.write_bytes(content[:2000] + bytes(500) + content[2500:])


@damages("tables", "confounds", "motion", "global signal", volumes=True)
def rows_in_another_order(data):
    def change(rows):
        data_rows = rows[2:]
        data.random.shuffle(data_rows)
        return [*rows[:2], *data_rows]

    change_rows(data, change, data.file(TABLE))


@damages("tables", "confounds", "motion", "global signal", volumes=True)
def rows_of_another_participant(data):
    path = data.file(TABLE)
    if path.read_bytes() != data.donor(TABLE, LABEL).read_bytes():
        raise NotApplicableError(path.name)
    path.write_bytes(data.donor(TABLE).read_bytes())


@damages("tables", "motion", "rotation", "degrees", "radians", "mm", tolerance=1e-3)
def rotations_in_degrees(data):
    path = data.file(TABLE)
    rows = read_rows(path)
    for name in MOTION[3:]:
        index = column_index(rows, name, path)
        for row in rows[1:]:
            try:
                row[index] = f"{float(row[index]) * 57.29578:.6g}"
            except ValueError as error:
                raise NotApplicableError(path.name) from error
    write_rows(path, rows)
