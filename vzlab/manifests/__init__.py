"""What a virtual dataset is made of: values, without any I/O."""

from vzlab.manifests.array import ManifestArray
from vzlab.manifests.chunk_grid import ChunkGrid
from vzlab.manifests.group import ManifestGroup, UnreadableVariable
from vzlab.manifests.manifest import ChunkManifest
from vzlab.manifests.metadata import ArrayMetadata
from vzlab.manifests.references import ChunkReference, SourceFile

__all__ = [
    "ArrayMetadata",
    "ChunkGrid",
    "ChunkManifest",
    "ChunkReference",
    "ManifestArray",
    "ManifestGroup",
    "SourceFile",
    "UnreadableVariable",
]
