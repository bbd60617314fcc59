"""Does ImageNet pre-training transfer to kidney CT? The library behind the stages of dvc.yaml."""
