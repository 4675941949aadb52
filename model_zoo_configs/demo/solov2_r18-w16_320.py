# SOLOv2 on a ResNet-18 of a quarter of the usual width for the eight classes of the demo scenes, input 320 x 240.
norm_cfg = {"type": "BN"}
model = {
    "type": "SOLOv2",
    "data_preprocessor": {
        "type": "DetDataPreprocessor",
        "mean": [123.675, 116.28, 103.53],
        "std": [58.395, 57.12, 57.375],
        "bgr_to_rgb": True,
        "pad_mask": True,
        "pad_size_divisor": 32,
    },
    "backbone": {
        "type": "ResNet",
        "depth": 18,
        "base_channels": 16,
        "stem_channels": 16,
        "num_stages": 4,
        "out_indices": (0, 1, 2, 3),
        "norm_cfg": norm_cfg,
        "norm_eval": False,
        "style": "pytorch",
    },
    "neck": {
        "type": "FPN",
        "in_channels": [16, 32, 64, 128],
        "out_channels": 48,
        "norm_cfg": norm_cfg,
        "start_level": 0,
        "num_outs": 4,
    },
    "mask_head": {
        "type": "SOLOV2Head",
        "num_classes": 8,
        "in_channels": 48,
        "feat_channels": 64,
        "stacked_convs": 2,
        "strides": [8, 8, 16, 16],
        "scale_ranges": ((1, 56), (44, 80), (64, 128), (96, 512)),
        "pos_scale": 0.2,
        "num_grids": [16, 14, 10, 8],
        "cls_down_index": 0,
        "norm_cfg": norm_cfg,
        "mask_feature_head": {
            "feat_channels": 32,
            "start_level": 0,
            "end_level": 2,
            "out_channels": 32,
            "mask_stride": 4,
            "norm_cfg": norm_cfg,
        },
        "loss_mask": {"type": "DiceLoss", "use_sigmoid": True, "loss_weight": 3.0},
        "loss_cls": {"type": "FocalLoss", "use_sigmoid": True, "gamma": 2.0, "alpha": 0.25, "loss_weight": 1.0},
    },
    "test_cfg": {
        "nms_pre": 50,
        "score_thr": 0.1,
        "mask_thr": 0.5,
        "filter_thr": 0.05,
        "kernel": "gaussian",
        "sigma": 2.0,
        "max_per_img": 25,
    },
}
test_pipeline = [
    {"type": "LoadImageFromFile"},
    {"type": "Resize", "scale": (320, 240), "keep_ratio": True},
    {"type": "PackDetInputs", "meta_keys": ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")},
]
classes = ("ball", "box", "cone", "star", "ring", "cross", "crescent", "heart")
test_dataloader = {"dataset": {"type": "CocoDataset", "metainfo": {"classes": classes}, "pipeline": test_pipeline}}
