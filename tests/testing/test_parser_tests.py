"""Every parser under the public suite, and the suite itself: what it finds wrong in a parser that is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.testing.one_of_each import MAKERS
from vzlab import parsers
from vzlab.testing import ParserTests


class OfOneFormat(ParserTests):
    """The suite over one small file."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        folder = tmp_path / "sound"
        folder.mkdir()
        return MAKERS[type(self).parser.__name__](folder)


class TestHDF5(OfOneFormat):
    parser = parsers.HDF5Parser


class TestNetCDF3(OfOneFormat):
    parser = parsers.NetCDF3Parser


class TestZarr(OfOneFormat):
    parser = parsers.ZarrParser


class TestZip(OfOneFormat):
    parser = parsers.ZipParser


class TestKerchunk(OfOneFormat):
    parser = parsers.KerchunkParser
    reads_gzip = True


class TestIcechunk(OfOneFormat):
    parser = parsers.IcechunkParser


class TestDMRPP(OfOneFormat):
    parser = parsers.DMRPPParser


class TestHDF4(OfOneFormat):
    parser = parsers.HDF4Parser


class TestTIFF(OfOneFormat):
    parser = parsers.TIFFParser


class TestFITS(OfOneFormat):
    parser = parsers.FITSParser
    reads_gzip = True


class TestGRIB(OfOneFormat):
    parser = parsers.GRIBParser


class TestSafetensors(OfOneFormat):
    parser = parsers.SafetensorsParser


class TestNIfTI(OfOneFormat):
    parser = parsers.NIfTIParser


class TestENVI(OfOneFormat):
    parser = parsers.ENVIParser


def test_every_parser_is_here() -> None:
    named = {name for name in parsers.__all__ if name.endswith("Parser") and name != "Parser"}
    tested = {kind.parser.__name__ for kind in OfOneFormat.__subclasses__()}
    # A LINDI file refers into other files: tests/parsers/test_lindi.py makes those too.
    assert tested == named - {"LINDIParser"}
