"""The embedding store: one HDF5 file that anybody can open, and that no kill can tear.

::

    img_emb.h5
        img_emb   (N, D) float32 or float16   exactly the live rows
        paths     (N,) UTF-8                  whose picture each row is
        files     (N,) compound               id, size, mtime, sha256, norm and checksums of each
        attributes                            format, identity, the stamp
    .img_emb.h5.lock                          held by the one process that writes
    .img_emb.h5.journal                       while somebody writes: the commit that is being made

`layout` says what is in the file, `journal` makes a commit happen whole or not at all, `reading`
and `writing` are the two sides, `upkeep` checks a store and makes it anew.
"""
