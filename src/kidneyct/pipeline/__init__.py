"""What a stage is told and says: params.yaml, dvc.yaml and dvc.lock, errors, progress."""
