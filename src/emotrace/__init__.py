"""emotrace: where does emotion go when speech is anonymised? The executable companion of the study."""

__version__ = "0.1.0"
