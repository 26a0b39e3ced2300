"""The data product that is asked while its servers go away."""
