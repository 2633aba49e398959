"""Which matrix product a search is given."""

from cnnkit.search.product import Product

# Multiplications that take numpy's product longer than loading the runtime, some tenths of a
# second; measured on two cores.
_WORTH_LOADING = 1 << 36


def product_for(queries: int | None, rows: int, features: int, threads: int) -> Product | None:
    """OpenVINO's product, where there is much to multiply; in bfloat16 if the processor has it.

    None stands for numpy's. The answers are the same with either.
    """
    if queries is None or queries * rows * features < _WORTH_LOADING:
        return None
    try:
        from cnnkit.engines.openvino_product import OpenvinoProduct, computes_in_bfloat16
    except Exception:  # not installed, or half installed: numpy does as well
        return None
    return OpenvinoProduct(threads, "bfloat16" if computes_in_bfloat16() else "float32")
