"""Croissant 1.0: the files of a data set and the columns of its tables, as JSON-LD."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_KINDS = {
    "int": "sc:Integer",
    "uint": "sc:Integer",
    "double": "sc:Float",
    "float": "sc:Float",
    "bool": "sc:Boolean",
    "timestamp": "sc:DateTime",
    "date": "sc:Date",
    "string": "sc:Text",
}
_LICENSES = {"cc0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/"}
_CONTEXT: dict[str, object] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def croissant(
    columns: Mapping[str, Mapping[str, str]],
    written: Mapping[str, Sequence[str]],
    files: Mapping[str, tuple[str, int]],
    *,
    name: str,
    description: str,
    license_: str,
    url: str,
    published: str,
) -> dict[str, object]:
    """The document of a data set: ``columns`` and files (``written``) by table, SHA-256 and bytes by file.

    A table of one file is read from it, one of several from the set of them.
    """
    distribution: list[dict[str, object]] = []
    records: list[dict[str, object]] = []
    for table, paths in written.items():
        distribution += [_file(path, *files[path]) for path in paths]
        source: dict[str, object] = {"fileObject": {"@id": paths[0]}}
        if len(paths) > 1:
            folder = paths[0].rpartition("/")[0]
            distribution.append(
                {
                    "@type": "cr:FileSet",
                    "@id": f"{folder}/",
                    "name": f"{folder}/",
                    "encodingFormat": "application/x-parquet",
                    "includes": f"{folder}/*.parquet",
                }
            )
            source = {"fileSet": {"@id": f"{folder}/"}}
        records.append(_record_set(table, columns[table], source))
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": description,
        "license": _LICENSES.get(license_, license_),
        "url": url,
        "version": "1.0.0",
        "datePublished": published,
        "citeAs": f"{name}, a simulated data set made by Deep Faker",
        "distribution": distribution,
        "recordSet": records,
    }


def _file(path: str, sha256: str, size: int) -> dict[str, object]:
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path,
        "contentUrl": path,
        "contentSize": f"{size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": sha256,
    }


def _record_set(table: str, columns: Mapping[str, str], source: Mapping[str, object]) -> dict[str, object]:
    own = f"records/{table}"
    fields = []
    for column, kind in columns.items():
        said = next((name for head, name in _KINDS.items() if kind.startswith(head)), None)
        if said is not None:
            fields.append(
                {
                    "@type": "cr:Field",
                    "@id": f"{own}/{column}",
                    "name": f"{own}/{column}",
                    "dataType": said,
                    "source": {**source, "extract": {"column": column}},
                }
            )
    return {"@type": "cr:RecordSet", "@id": own, "name": own, "field": fields}
