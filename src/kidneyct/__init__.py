"""Does ImageNet pre-training transfer to kidney CT? The library behind the stages of dvc.yaml."""

import os

# TensorFlow's C++ notices would bury our own lines; 0 brings them back.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
