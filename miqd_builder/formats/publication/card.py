"""``README.md``: the header that the Hub reads, and a data set card filled from the runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from miqd_builder.formats.publication import facts
from miqd_builder.formats.publication.described import Publication
from miqd_builder.formats.publication.licences import licence_url
from miqd_builder.formats.publication.shard import Shard

NAME = "README.md"
Loading = Callable[[str, str], str]
"""``loading(config, split)``: how a configuration is loaded, as Markdown."""
TASK_CATEGORIES = {
    "cls": "image-classification",
    "det": "object-detection",
    "ins": "image-segmentation",
    "seg": "image-segmentation",
}
_ORDER = ("labels", "scores", "responses", "measures", "images", "images-sample", "preview", "sources", "variants")


def card(publication: Publication, shards: Sequence[Shard], meaning: Callable[[str], str], loading: Loading) -> bytes:
    """Return the card.

    Args:
        publication: what is published.
        shards: its data files.
        meaning: ``meaning(config)``: what a configuration holds.
        loading: ``loading(config, split)``: how it is loaded, a code block.
    """
    header = yaml.safe_dump(_header(publication, shards), sort_keys=False, allow_unicode=True, width=120)
    return f"---\n{header}---\n\n{_body(publication, shards, meaning, loading)}".encode()


def ordered_configs(shards: Sequence[Shard]) -> dict[str, list[Shard]]:
    """Return files by configuration; labels first, which are what most people want."""
    found: dict[str, list[Shard]] = defaultdict(list)
    for shard in shards:
        found[shard.config].append(shard)

    def place(config: str) -> tuple[int, str]:
        known = config if config in _ORDER else config.rpartition("-")[0]
        return (_ORDER.index(known) if known in _ORDER else len(_ORDER)), config

    return {config: found[config] for config in sorted(found, key=place)}


def data_files(shards: Sequence[Shard]) -> list[dict[str, str]]:
    """Return the patterns of one configuration's files by split, train first."""
    patterns: dict[str, dict[str, None]] = {}
    for split in ("train", "validation", "test"):
        for shard in shards:
            if shard.split == split:
                folder, _, name = shard.path.rpartition("/")
                top, _, below = folder.partition("/")
                where = f"{top}/*" if below else top
                suffix = name.rpartition(".")[2]
                patterns.setdefault(split, {})[f"{where}/{split}-*.{suffix}" if where else f"{split}-*.{suffix}"] = None
    return [{"split": split, "path": path} for split, paths in patterns.items() for path in paths]


def _header(publication: Publication, shards: Sequence[Shard]) -> dict[str, Any]:
    licence = publication.licence
    header: dict[str, Any] = {"pretty_name": publication.title}
    if licence.startswith("http"):
        header |= {"license": "other", "license_name": "see-link", "license_link": licence}
    else:
        header["license"] = licence
    header["task_categories"] = list(dict.fromkeys(TASK_CATEGORIES[own.task] for own in publication.tasks))
    header["size_categories"] = [facts.size_category(publication.images_in_all())]
    header["annotations_creators"] = ["machine-generated"]
    header["tags"] = ["image-quality-assessment", "robustness", "machine-vision", "miqd", "croissant"]
    configs: list[dict[str, Any]] = []
    for config, files in ordered_configs(shards).items():
        if config:
            entry: dict[str, Any] = {"config_name": config, "data_files": data_files(files)}
            configs.append(entry if configs else {**entry, "default": True})
    if configs:
        header["configs"] = configs
    return header


def _body(publication: Publication, shards: Sequence[Shard], meaning: Callable[[str], str], loading: Loading) -> str:
    release = publication.release
    warning = ""
    if publication.missing:
        warning = "> **Incomplete.** Published before its run was finished. Missing:\n>\n" + "".join(
            f"> - {line}\n" for line in publication.missing
        )
        warning += "\n"
    sections = {
        "Load it": _loading(shards, loading),
        **({"Configurations": _configs_table(shards, meaning)} if shards else {}),
        "Splits": _splits(publication),
        "Images": facts.images_sentence(publication, regenerated=any(shard.table == "sources" for shard in shards)),
        "How it was made": facts.bullet(facts.generated_by(publication)) + "\n\n" + _models(publication),
        "Sources and licences": _licences(publication),
        "Uses": f"{facts.USE_CASES}\n\nNot for: {facts.NOT_FOR}",
        "Limitations": facts.bullet(facts.limitations(publication)),
        "Biases": facts.bullet(facts.biases(publication)),
        "Personal and sensitive information": facts.personal_information(publication),
        "Social impact": facts.SOCIAL_IMPACT,
        "Versions": facts.bullet([f"**{r.version}** ({r.date}): {r.text}" for r in publication.releases]),
        "Citation": f"```bibtex\n{facts.CITATION}\n```",
    }
    by = f" Published by {publication.creator}." if publication.creator != "unnamed" else ""
    head = (
        f"# {publication.title}\n\nVersion {release.version}, {release.date}.{by}\n\n{warning}{facts.summary(publication)}\n\n"
    )
    return head + "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items()) + "\n"


def _loading(shards: Sequence[Shard], loading: Loading) -> str:
    configs = ordered_configs(shards)
    config = next(iter(configs), "")
    splits = [entry["split"] for entry in data_files(configs.get(config, []))] or ["train"]
    return loading(config, splits[0])


def _configs_table(shards: Sequence[Shard], meaning: Callable[[str], str]) -> str:
    lines = ["| configuration | rows | files | what |", "|---|---:|---:|---|"]
    for config, files in ordered_configs(shards).items():
        lines.append(f"| `{config or 'default'}` | {sum(f.rows for f in files):,} | {len(files)} | {meaning(config)} |")
    return "\n".join(lines)


def _splits(publication: Publication) -> str:
    counts: dict[str, int] = defaultdict(int)
    for run in publication.runs:
        for split, ids in run.splits.items():
            counts[split] += len(ids)
    numbers = ", ".join(f"{split} {counts[split]:,}" for split in ("train", "validation", "test"))
    return (
        f"By source image, so that no image has variants in two splits: {numbers}. The test split is the fifth of the sources "
        f"with the smallest SHA-256 of (seed, id), validation a tenth of the rest; seed {publication.split_seed}."
    )


def _models(publication: Publication) -> str:
    lines = ["| task | recipe | models |", "|---|---|---|"]
    for own in publication.tasks:
        lines.append(f"| {facts.TASK_NAMES[own.task]} | {own.recipe} | {', '.join(own.models) or 'not recorded'} |")
    return "\n".join(lines)


def _licences(publication: Publication) -> str:
    names = [f"[{name}]({url})" if url else name for name, url in facts.origins(publication)]
    link = licence_url(publication.licence)
    own = f"[{publication.licence}]({link})" if link != publication.licence else f"[{link}]({link})"
    return (
        f"Labels, scores and predictions: {own}. The clean images come from {', '.join(names)} and keep their own licences; "
        "where the source states one, the licence of each photograph is in the columns `licence` and `licence_url`. Licences "
        "of the models are in `recipe/zoo.yaml`."
    )


def header_of(data: bytes) -> Mapping[str, Any]:
    """Return the YAML header of a card.

    Raises:
        ValueError: there is none, or it is no valid YAML.
    """
    text = data.decode()
    if not text.startswith("---\n") or "\n---\n" not in text[4:]:
        raise ValueError("it has no YAML header between lines of ---")
    try:
        header = yaml.safe_load(text[4:].split("\n---\n", 1)[0])
    except yaml.YAMLError as error:
        raise ValueError(f"its YAML header can't be read ({' '.join(str(error).split())})") from None
    if not isinstance(header, dict):
        raise ValueError("its YAML header is no mapping")
    return header
