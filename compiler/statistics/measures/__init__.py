"""The numeric core of the statistics: numpy arrays in, frozen structs out.

No module here depends on a spec, a record, a file or a probe. The numbers are part of
content-hashed artifacts, so they must be equal on every machine and with every version of numpy:
random numbers are the raw output of PCG64 (`draws`), sums are exact integers in any order (`units`,
`clusters`), and every reported float is rounded to six decimals by `units.rounded`, or is None,
never NaN.
"""
