"""Writes own_filter.h5: a dataset whose filter (300) no library has; its chunks are the data with every byte XOR 0x5a.

usage: python3 testdata/make_own_filter.py      needs h5py and numpy
"""
import os
import h5py
import numpy as np

os.chdir(os.path.dirname(os.path.abspath(__file__)))
with h5py.File("own_filter.h5", "w") as f:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((4, 4))
    plist.set_filter(300, h5py.h5z.FLAG_OPTIONAL, (0x5A,))
    space = h5py.h5s.create_simple((8, 4))
    dataset = h5py.h5d.create(f.id, b"x", h5py.h5t.STD_I32LE, space, plist)
    data = np.arange(32, dtype="<i4").reshape(8, 4)
    for row in (0, 4):
        coded = np.frombuffer(data[row:row + 4].tobytes(), np.uint8) ^ 0x5A
        dataset.write_direct_chunk((row, 0), coded.tobytes())
