"""The catalog as records."""

from cnnkit.errors import UnknownName
from cnnkit.records import ModelRow
from cnnkit.zoo import weights as store
from cnnkit.zoo.catalog import Network, catalog, matching, pixels_name


def models(pattern: str = "*") -> list[ModelRow]:
    """One row per network whose name matches a glob. Raises `UnknownName` for none."""
    found = matching(pattern)
    if not found:
        raise UnknownName("model", pattern, catalog(), "cnnkit models")
    return [_row(network) for network in found]


def _row(network: Network) -> ModelRow:
    here = [f for f in (network.top, network.no_top) if store.path_of(f).is_file()]
    return ModelRow(
        name=network.name,
        height=network.recipe.height,
        width=network.recipe.width,
        parameters=network.parameters,
        features=network.features,
        embedding=network.embedding,
        fit=network.recipe.fit,
        interpolation=network.recipe.interpolation,
        pixels=pixels_name(network.recipe),
        weights="present" if network.top in here else "no top" if here else "absent",
    )
