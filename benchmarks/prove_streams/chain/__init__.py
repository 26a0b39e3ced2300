"""The data product whose workers are killed: a chain of two learners. Each row shows whether an event counts once."""
