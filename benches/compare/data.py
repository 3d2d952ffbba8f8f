"""Makes the files of the comparison with h5py. Deterministic; sizes are those of scale 1 times the scale."""

import os

import h5py
import numpy as np

MIB = 1 << 20
ROW = np.dtype([("id", "<i8"), ("t", "<f8"), ("ch", "<i4"), ("q", "<f4")])


def generator(seed):
    return np.random.Generator(np.random.PCG64(seed))


def signal(count, seed, dtype="f8"):
    """A measured quantity: slow and fast oscillations with quantised noise, which shuffle and deflate shrink a little."""
    phase = np.arange(count) * 2e-3
    noise = np.round(generator(seed).normal(0.0, 100.0, count)) / 256
    return (np.round((290 + 12 * np.sin(phase * 0.01) + 4 * np.sin(phase)) * 512) / 512 + noise).astype(dtype)


def rows(count, seed):
    random = generator(seed)
    table = np.empty(count, ROW)
    table["id"] = np.arange(count)
    table["t"] = np.cumsum(random.integers(1, 40, count)) / 1000
    table["ch"] = random.integers(0, 2048, count)
    table["q"] = np.round(random.exponential(50, count), 1)
    return table


class Maker:
    """Writes files into a folder; `scale` 1 gives the full sizes."""

    def __init__(self, folder, scale):
        self.folder, self.scale = folder, scale

    def path(self, name):
        return os.path.join(self.folder, name)

    def count(self, full, least=1):
        return max(least, round(full * self.scale))

    def values(self, mib, dtype, seed):
        """A 2-d array of whole rows of 1024 elements."""
        size = np.dtype(dtype).itemsize
        height = self.count(mib * MIB // size // 1024, 16)
        return signal(height * 1024, seed, dtype).reshape(height, 1024)

    def file(self, name, **options):
        return h5py.File(self.path(name), "w", **options)

    def contiguous(self):
        with self.file("contiguous.h5") as f:
            f["x"] = self.values(512, "f8", 1).ravel()

    def chunked(self):
        values = self.values(512, "f8", 2).ravel()
        with self.file("chunked.h5") as f:
            f.create_dataset("x", data=values, chunks=(min(len(values), MIB // 8),))

    def deflated(self):
        with self.file("deflated.h5") as f:
            for name, mib, dtype, height, shuffle in [
                ("f64", 256, "f8", 128, True),
                ("f32", 128, "f4", 256, True),
            ]:
                values = self.values(mib, dtype, 3)
                chunks = (min(height, len(values)), 1024)
                f.create_dataset(name, data=values, chunks=chunks, compression="gzip", shuffle=shuffle)
            random = generator(4)
            count = self.count(256 * MIB // 4, 4096)
            steps = np.cumsum(random.integers(-2, 3, count)) % 4000 + random.integers(0, 6, count)
            f.create_dataset("i32", data=steps.astype("i4"), chunks=(min(count, MIB // 4),), compression="gzip")

    def windows(self):
        side = max(256, int(8192 * self.scale**0.5) // 128 * 128)
        with self.file("windows.h5") as f:
            image = signal(side * side, 5, "f4").reshape(side, side)
            f.create_dataset("x", data=image, chunks=(128, 128), compression="gzip")
        corners = generator(7).integers(0, side - 16, (self.count(2000, 50), 2))
        np.savetxt(self.path("windows.txt"), corners, "%d")

    def table(self):
        count = self.count(2_000_000, 20_000)
        table = rows(count, 6)
        with self.file("table.h5") as f:
            f.create_dataset("raw", data=table, chunks=(8192,), maxshape=(None,))
            f.create_dataset(
                "packed", data=table, chunks=(8192,), maxshape=(None,), compression="gzip", shuffle=True
            )
        np.savetxt(self.path("rows.txt"), generator(8).integers(0, count, self.count(10_000, 100)), "%d")

    def groups(self):
        for version in ["earliest", "latest"]:
            with self.file(f"groups_{version}.h5", libver=version) as f:
                for i in range(self.count(10_000, 50)):
                    dataset = f.create_dataset(f"g{i:06d}/d", data=np.arange(i, i + 8, dtype="i4"))
                    dataset.attrs["units"] = np.bytes_("counts")
                    dataset.attrs["scale"] = np.float64(i / 2)
                    dataset.attrs["idx"] = np.arange(i, i + 3, dtype="i8")

    def tiny_chunks(self):
        values = np.arange(self.count(1_000_000, 10_000), dtype="f4")
        for name, version, options in [
            ("btree1", "earliest", {}),
            ("earray", "latest", {"maxshape": (None,)}),
            ("farray", "latest", {}),
        ]:
            with self.file(f"tiny_{name}.h5", libver=version) as f:
                f.create_dataset("x", data=values, chunks=(64,), **options)

    def strings(self):
        count = self.count(1_000_000, 1000)
        lengths = generator(9).integers(0, 28, count)
        texts = [f"record {i} ".ljust(12 + int(n), "abcdefg"[i % 7]) for i, n in enumerate(lengths)]
        with self.file("strings.h5") as f:
            f.create_dataset("x", data=texts, dtype=h5py.string_dtype(), chunks=(min(count, 65536),))

    def scalars(self):
        for version in ["earliest", "latest"]:
            with self.file(f"scalars_{version}.h5", libver=version) as f:
                f["big"] = np.zeros(self.count(128 * MIB, 1000))
                inner = self.count(1000, 10)
                for i in range(100):
                    group = f.create_group(f"b{i:03d}")
                    for j in range(inner):
                        group[f"s{j:04d}"] = np.float64(i * 1000 + j)
        with open(self.path("scalar.txt"), "w") as f:
            f.write(f"b050/s{inner // 2:04d}\n")

    def compound(self):
        with self.file("compound.h5") as f:
            table = rows(self.count(5_000_000, 1000), 10)
            f.create_dataset("x", data=table, chunks=(min(len(table), 43690),))

    def written(self):
        """What is to be written, as plain bytes and lines."""
        # At least one chunk.
        signal(self.count(256 * MIB // 8 // 1024, 128) * 1024, 3).tofile(self.path("written_f64.bin"))
        rows(self.count(1_000_000, 1000), 20).tofile(self.path("written_rows.bin"))
        lengths = generator(8).integers(3, 30, self.count(1_000_000, 1000))
        with open(self.path("written.txt"), "w") as f:
            for i, length in enumerate(lengths):
                f.write(f"event-{i}-".ljust(length + 8, "abcdefghij"[i % 10]) + "\n")

    def workloads(self):
        """Label, protocol line, what it is, the ratio to h5py that is required, and what makes its files."""
        p = self.path
        elements = self.count(512 * MIB // 8 // 1024, 16) * 1024
        scalar = p("scalar.txt")
        found = []

        def add(label, line, text, required, make):
            found.append((label, line, text, required, make))

        add("R1", f"f64 {p('contiguous.h5')} x", "contiguous f64", 1, self.contiguous)
        add("R1p", f"f64p {p('contiguous.h5')} x {elements}", "the same into a used buffer", 1, self.contiguous)
        add("R2", f"f64 {p('chunked.h5')} x", "chunked f64, no filter", 1, self.chunked)
        add("R3", f"f64 {p('deflated.h5')} f64", "shuffle + deflate, f64", 1, self.deflated)
        add("R3f", f"f32 {p('deflated.h5')} f32", "shuffle + deflate, f32", 1, self.deflated)
        add("R4", f"i32 {p('deflated.h5')} i32", "deflate, i32", 1, self.deflated)
        add("R5a", f"win {p('windows.h5')} x {p('windows.txt')}", "windows of 16 x 16", 1, self.windows)
        add("R5am", f"winm {p('windows.h5')} x {p('windows.txt')}", "the same at once", 1, self.windows)
        add("R5b", f"rows {p('table.h5')} raw {p('rows.txt')}", "single compound rows", 5, self.table)
        add("R5z", f"rows {p('table.h5')} packed {p('rows.txt')}", "the same, shuffle + deflate", 1, self.table)
        add("R5bm", f"rowsm {p('table.h5')} raw {p('rows.txt')}", "single rows at once", 5, self.table)
        add("R5zm", f"rowsm {p('table.h5')} packed {p('rows.txt')}", "the same, deflated", 1, self.table)
        add("R6e", f"walk {p('groups_earliest.h5')}", "walk groups, earliest format", 5, self.groups)
        add("R6l", f"walk {p('groups_latest.h5')}", "walk groups, latest format", 5, self.groups)
        add("R7b", f"f32 {p('tiny_btree1.h5')} x", "tiny chunks, B-tree v1", 5, self.tiny_chunks)
        add("R7e", f"f32 {p('tiny_earray.h5')} x", "tiny chunks, extensible array", 5, self.tiny_chunks)
        add("R7f", f"f32 {p('tiny_farray.h5')} x", "tiny chunks, fixed array", 5, self.tiny_chunks)
        add("R8", f"vlen {p('strings.h5')} x", "variable-length strings", 1, self.strings)
        add("R9", f"scalar {p('scalars_latest.h5')} @{scalar}", "one scalar of 100,000", 5, self.scalars)
        add("R9e", f"scalar {p('scalars_earliest.h5')} @{scalar}", "the same, earliest format", 5, self.scalars)
        add("R10", f"row {p('compound.h5')} x", "compound rows", 1, self.compound)
        out, groups = "{out}", self.count(10_000, 10)
        add("W1", f"W1 {out} {elements}", "write contiguous f64", 1, self.written)
        add("W2", f"W2 {out} {p('written_f64.bin')}", "write shuffle + deflate", 1, self.written)
        add("W3", f"W3 {out} {p('written_rows.bin')}", "append 1000 rows at a time", 5, self.written)
        add("W4", f"W4 {out} {groups}", "groups, datasets, attributes", 5, self.written)
        add("W5", f"W5 {out} {p('written.txt')}", "write variable-length strings", 1, self.written)
        return found
