"""The local side of a photo: keypoints, what finds and describes them, and their compact form."""

from solar.features.descriptors import DEFAULT, HAND_MADE, open_descriptor
from solar.features.detectors import OrbDetector, SiftDetector, open_detector
from solar.features.extraction import FeatureExtraction
from solar.features.extractor import (
    FeatureExtractor,
    FeaturesOf,
    features_of_one,
    frame_of,
    open_feature_extractor,
)
from solar.features.features import Features
from solar.features.keypoints import Detector, KeypointDescriptor, Keypoints
from solar.features.patch_descriptor import PatchDescriptor, open_patch_descriptor

__all__ = [
    "DEFAULT",
    "HAND_MADE",
    "Detector",
    "FeatureExtraction",
    "FeatureExtractor",
    "Features",
    "FeaturesOf",
    "KeypointDescriptor",
    "Keypoints",
    "OrbDetector",
    "PatchDescriptor",
    "SiftDetector",
    "features_of_one",
    "frame_of",
    "open_descriptor",
    "open_detector",
    "open_feature_extractor",
    "open_patch_descriptor",
]
