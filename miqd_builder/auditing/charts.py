"""Charts of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from miqd_builder.auditing.statistics import Rows

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MEASURES = {"consistency": "#2563eb", "accuracy": "#ea580c", "composite": "#64748b"}
REGION_COLOURS = {"uniform": "#475569", "roi": "#dc2626", "background": "#0d9488"}
REGION_NAMES = {"uniform": "whole image", "roi": "ROI stronger", "background": "background stronger"}
COLUMNS = 5


def severity_curves(rows: Rows) -> Figure:
    """Small multiples: one panel a distortion, labels over the five uniform severities."""
    from plotly.graph_objects import Scatter
    from plotly.subplots import make_subplots

    distortions = _distortions(rows)
    lines = -(-len(distortions) // COLUMNS)
    figure: Figure = make_subplots(
        lines,
        COLUMNS,
        shared_yaxes=True,
        subplot_titles=[d.replace("_", " ") for d in distortions],
        vertical_spacing=0.28 / lines,
        horizontal_spacing=0.02,
    )
    for index, distortion in enumerate(distortions):
        of_distortion = [row for row in rows if row["distortion"] == distortion]
        for measure, colour in MEASURES.items():
            figure.add_trace(
                Scatter(
                    x=[row["severity"] for row in of_distortion],
                    y=[row[measure] for row in of_distortion],
                    name=measure,
                    legendgroup=measure,
                    showlegend=index == 0,
                    line={"color": colour, "dash": "dot" if measure == "composite" else "solid"},
                ),
                row=index // COLUMNS + 1,
                col=index % COLUMNS + 1,
            )
    figure.update_yaxes(range=[0, 1.02], gridcolor="#e2e8f0", zeroline=False)
    figure.update_xaxes(range=[0.8, 5.2], dtick=1, showgrid=False)
    return _styled(figure, height=90 + 210 * lines)


def region_bars(rows: Rows) -> Figure:
    """Mean consistency of each distortion by where it is stronger."""
    from plotly.graph_objects import Bar, Figure

    figure = Figure()
    for region, colour in REGION_COLOURS.items():
        of_region = {row["distortion"]: row["consistency"] for row in rows if row["region"] == region}
        if of_region:
            names = [d.replace("_", " ") for d in of_region]
            figure.add_trace(Bar(x=names, y=list(of_region.values()), name=REGION_NAMES[region], marker_color=colour))
    figure.update_yaxes(range=[0, 1], gridcolor="#e2e8f0", title="mean consistency")
    figure.update_layout(barmode="group", bargap=0.3)
    return _styled(figure, height=340)


def model_heatmap(rows: Rows) -> Figure:
    """Mean consistency of each model under each distortion."""
    from plotly.graph_objects import Figure, Heatmap

    models, distortions = list(dict.fromkeys(row["model"] for row in rows)), _distortions(rows)
    value = {(row["model"], row["distortion"]): row["consistency"] for row in rows}
    cells = [[value.get((model, distortion)) for distortion in distortions] for model in models]
    figure = Figure(
        Heatmap(
            z=cells,
            x=[d.replace("_", " ") for d in distortions],
            y=models,
            zmin=0,
            zmax=1,
            colorscale="RdYlBu",
            texttemplate="%{z:.2f}",
            xgap=2,
            ygap=2,
            colorbar={"title": "consistency", "thickness": 12},
        )
    )
    figure.update_yaxes(autorange="reversed")
    return _styled(figure, height=130 + 44 * len(models))


def _distortions(rows: Rows) -> Sequence[str]:
    return list(dict.fromkeys(row["distortion"] for row in rows))


def _styled(figure: Figure, *, height: int) -> Figure:
    figure.update_layout(
        height=height,
        template="plotly_white",
        margin={"l": 50, "r": 10, "t": 64, "b": 40},
        font={"family": "system-ui, sans-serif", "size": 12, "color": "#1e293b"},
        legend={"orientation": "h", "y": 1.0, "yanchor": "top", "x": 1.0, "xanchor": "right", "yref": "container"},
    )
    return figure
