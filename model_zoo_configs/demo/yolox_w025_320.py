# YOLOX-nano for the eight classes of the demo scenes, input 320 x 240. Like every YOLOX it reads plain 0..255 BGR.
norm_cfg = {"type": "BN", "momentum": 0.03, "eps": 0.001}
act_cfg = {"type": "Swish"}
model = {
    "type": "YOLOX",
    "data_preprocessor": {"type": "DetDataPreprocessor", "pad_size_divisor": 32},
    "backbone": {
        "type": "CSPDarknet",
        "deepen_factor": 0.33,
        "widen_factor": 0.25,
        "out_indices": (2, 3, 4),
        "use_depthwise": True,
        "spp_kernal_sizes": (5, 9, 13),
        "norm_cfg": norm_cfg,
        "act_cfg": act_cfg,
    },
    "neck": {
        "type": "YOLOXPAFPN",
        "in_channels": [64, 128, 256],
        "out_channels": 64,
        "num_csp_blocks": 1,
        "use_depthwise": True,
        "upsample_cfg": {"scale_factor": 2, "mode": "nearest"},
        "norm_cfg": norm_cfg,
        "act_cfg": act_cfg,
    },
    "bbox_head": {
        "type": "YOLOXHead",
        "num_classes": 8,
        "in_channels": 64,
        "feat_channels": 64,
        "stacked_convs": 2,
        "strides": (8, 16, 32),
        "use_depthwise": True,
        "norm_cfg": norm_cfg,
        "act_cfg": act_cfg,
        "loss_cls": {"type": "CrossEntropyLoss", "use_sigmoid": True, "reduction": "sum", "loss_weight": 1.0},
        "loss_bbox": {"type": "IoULoss", "mode": "square", "eps": 1e-16, "reduction": "sum", "loss_weight": 5.0},
        "loss_obj": {"type": "CrossEntropyLoss", "use_sigmoid": True, "reduction": "sum", "loss_weight": 1.0},
        "loss_l1": {"type": "L1Loss", "reduction": "sum", "loss_weight": 1.0},
    },
    "train_cfg": {"assigner": {"type": "SimOTAAssigner", "center_radius": 2.5}},
    "test_cfg": {"score_thr": 0.01, "nms": {"type": "nms", "iou_threshold": 0.65}},
}
test_pipeline = [
    {"type": "LoadImageFromFile"},
    {"type": "Resize", "scale": (320, 240), "keep_ratio": True},
    {"type": "PackDetInputs", "meta_keys": ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")},
]
classes = ("ball", "box", "cone", "star", "ring", "cross", "crescent", "heart")
test_dataloader = {"dataset": {"type": "CocoDataset", "metainfo": {"classes": classes}, "pipeline": test_pipeline}}
