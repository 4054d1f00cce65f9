"""From a selection and a source to published shards."""
