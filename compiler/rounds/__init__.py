"""Round locks, and the blobs that a locked round needs beside its replies."""
