"""exact: values of rows as they are compared: by type and bits."""
import numpy


def exact(value):
    """Compares with types and bits: 1, 1.0 and True differ, and so do 0.0 and -0.0."""
    if isinstance(value, float):
        return ("float", numpy.float64(value).tobytes())
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    return [exact(item) for item in value] if isinstance(value, list) else (type(value).__name__, value)
