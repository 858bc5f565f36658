"""The S3 server of the testing kit."""

from vzlab.testing.servers.s3_server import Bucket, S3Server, serve_s3

__all__ = ["Bucket", "S3Server", "serve_s3"]
