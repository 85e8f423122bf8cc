"""The numeric core of the statistics: numpy arrays in, frozen dataclasses out.

Nothing here knows a spec, a record, a file or a probe. The numbers land in content-hashed
artifacts, so they must be equal on another machine and with another numpy: randomness is the raw
output of PCG64 (`draws`), sums are exact integers whatever their order (`units`, `clusters`), and
every float that leaves is rounded to six decimals by `units.rounded`, or is None, never NaN.
"""
