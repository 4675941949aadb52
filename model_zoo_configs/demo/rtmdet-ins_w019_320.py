# RTMDet-Ins at half the width of its tiny version for the eight classes of the demo scenes, input 320 x 240.
norm_cfg = {"type": "BN"}
act_cfg = {"type": "SiLU", "inplace": True}
model = {
    "type": "RTMDet",
    "data_preprocessor": {
        "type": "DetDataPreprocessor",
        "mean": [103.53, 116.28, 123.675],
        "std": [57.375, 57.12, 58.395],
        "bgr_to_rgb": False,
        "pad_size_divisor": 32,
        "pad_mask": True,
    },
    "backbone": {
        "type": "CSPNeXt",
        # The usual stages but for the last one, which is as wide as the third: in channels, out, blocks, shortcut, SPP.
        "arch_ovewrite": [
            [64, 128, 3, True, False],
            [128, 256, 6, True, False],
            [256, 512, 6, True, False],
            [512, 512, 3, False, True],
        ],
        "expand_ratio": 0.5,
        "deepen_factor": 0.167,
        "widen_factor": 0.1875,
        "channel_attention": True,
        "norm_cfg": norm_cfg,
        "act_cfg": act_cfg,
    },
    "neck": {
        "type": "CSPNeXtPAFPN",
        "in_channels": [48, 96, 96],
        "out_channels": 48,
        "num_csp_blocks": 1,
        "expand_ratio": 0.5,
        "norm_cfg": norm_cfg,
        "act_cfg": act_cfg,
    },
    "bbox_head": {
        "type": "RTMDetInsSepBNHead",
        "num_classes": 8,
        "in_channels": 48,
        "stacked_convs": 2,
        "feat_channels": 48,
        "num_prototypes": 8,
        "anchor_generator": {"type": "MlvlPointGenerator", "offset": 0, "strides": [8, 16, 32]},
        "bbox_coder": {"type": "DistancePointBBoxCoder"},
        "loss_cls": {"type": "QualityFocalLoss", "use_sigmoid": True, "beta": 2.0, "loss_weight": 1.0},
        "loss_bbox": {"type": "GIoULoss", "loss_weight": 2.0},
        "loss_mask": {"type": "DiceLoss", "loss_weight": 2.0, "eps": 5e-6, "reduction": "mean"},
        "share_conv": True,
        "pred_kernel_size": 1,
        "norm_cfg": norm_cfg,
        "act_cfg": act_cfg,
    },
    "train_cfg": {
        "assigner": {"type": "DynamicSoftLabelAssigner", "topk": 13},
        "allowed_border": -1,
        "pos_weight": -1,
        "debug": False,
    },
    "test_cfg": {
        "nms_pre": 200,
        "min_bbox_size": 0,
        "score_thr": 0.05,
        "nms": {"type": "nms", "iou_threshold": 0.6},
        "max_per_img": 25,
        "mask_thr_binary": 0.5,
    },
}
test_pipeline = [
    {"type": "LoadImageFromFile"},
    {"type": "Resize", "scale": (320, 240), "keep_ratio": True},
    {"type": "PackDetInputs", "meta_keys": ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")},
]
classes = ("ball", "box", "cone", "star", "ring", "cross", "crescent", "heart")
test_dataloader = {"dataset": {"type": "CocoDataset", "metainfo": {"classes": classes}, "pipeline": test_pipeline}}
