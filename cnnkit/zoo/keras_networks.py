"""The networks of keras.applications as one table, each row a name and its published facts.

Columns: name, builder, input side, width of the embedding, parameters, multiplications of one
picture's convolutions and dense layers (MACs), and the hashes that Keras publishes for the weights
with and without top (md5, or sha256 where it has 64 digits; none for MobileNet and MobileNetV2).
Read off Keras 3.15.1; `tests/zoo/test_catalog.py` reads them again.
"""

from typing import NamedTuple


class Row(NamedTuple):
    """One line of the table."""

    name: str
    builder: str
    side: int
    features: int
    parameters: int
    macs: int
    top_hash: str = ""
    no_top_hash: str = ""


# ruff: noqa: E501
# fmt: off
ROWS = (
    Row("vgg16", "VGG16", 224, 4096, 138_357_544, 15_470_264_320, "64373286793e3c8b2b4e3219cbf3544b", "6d6bbae143d832006294945121d1f1fc"),
    Row("vgg19", "VGG19", 224, 4096, 143_667_240, 19_632_062_464, "cbe5617147190e668d6c5d5026f83318", "253f8cb515780f3b799900260a226db6"),
    Row("resnet50", "ResNet50", 224, 2048, 25_636_712, 3_857_973_248, "2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626"),
    Row("resnet101", "ResNet101", 224, 2048, 44_707_176, 7_570_194_432, "f1aeb4b969a6efcfb50fad2f0c20cfc5", "88cf7a10940856eca736dc7b7e228a21"),
    Row("resnet152", "ResNet152", 224, 2048, 60_419_944, 11_282_415_616, "100835be76be38e30d865e96f2aaae62", "ee4c566cf9a93f14d82f913c2dc6dd0c"),
    Row("resnet50v2", "ResNet50V2", 224, 2048, 25_613_800, 3_482_255_360, "3ef43a0b657b3be2300d5770ece849e0", "fac2f116257151a9d068a22e544a4917"),
    Row("resnet101v2", "ResNet101V2", 224, 2048, 44_675_560, 7_194_476_544, "6343647c601c52e1368623803854d971", "c0ed64b8031c3730f411d2eb4eea35b5"),
    Row("resnet152v2", "ResNet152V2", 224, 2048, 60_380_648, 10_906_697_728, "a49b44d1979771252814e80f8ec446f9", "ed17cf2e0169df9d443503ef94b23b33"),
    Row("inceptionv3", "InceptionV3", 299, 2048, 23_851_784, 5_713_216_096, "9a0d58056eeedaa3f26cb7ebd46da564", "bcbd6486424b2319ff4ef7d526e38f63"),
    Row("inceptionresnetv2", "InceptionResNetV2", 299, 1536, 55_873_736, 13_155_794_016, "e693bd0210a403b3192acc6073ad2e96", "d19885ff4a710c122648d3b5c3b684e4"),
    Row("xception", "Xception", 299, 2048, 22_910_480, 8_357_403_496, "0a58e3b7378bc2990ea3b43d5981f1f6", "b0042744bf5b25fce3cb969f33bebb97"),
    Row("densenet121", "DenseNet121", 224, 1024, 8_062_504, 2_834_161_664, "9d60b8095a5708f2dcce2bca79d332c7", "30ee3e1110167f948a6b9946edeeb738"),
    Row("densenet169", "DenseNet169", 224, 1664, 14_307_880, 3_359_843_328, "d699b8f76981ab1b30698df4c175e90b", "b8c4d4c20dd625c148057b9ff1c1176b"),
    Row("densenet201", "DenseNet201", 224, 1920, 20_242_984, 4_291_365_888, "1ceb130c1ea1b78c3bf6114dbdfd8807", "c13680b51ded0fb44dff2d8f86ac8bb1"),
    Row("mobilenet_0.25", "MobileNet", 224, 256, 475_544, 41_030_272),
    Row("mobilenet_0.5", "MobileNet", 224, 512, 1_342_536, 149_497_088),
    Row("mobilenet_0.75", "MobileNet", 224, 768, 2_601_976, 325_400_448),
    Row("mobilenet_1.0", "MobileNet", 224, 1024, 4_253_864, 568_740_352),
    Row("mobilenetv2_0.35", "MobileNetV2", 224, 1280, 1_691_208, 59_285_808),
    Row("mobilenetv2_0.5", "MobileNetV2", 224, 1280, 1_987_224, 97_131_840),
    Row("mobilenetv2_0.75", "MobileNetV2", 224, 1280, 2_663_064, 209_069_792),
    Row("mobilenetv2_1.0", "MobileNetV2", 224, 1280, 3_538_984, 300_774_272),
    Row("mobilenetv2_1.3", "MobileNetV2", 224, 1664, 5_431_048, 509_374_560),
    Row("mobilenetv2_1.4", "MobileNetV2", 224, 1792, 6_156_712, 582_195_824),
    Row("mobilenetv3small_0.75", "MobileNetV3Small", 224, 432, 2_051_552, 43_399_344, "cb65d4e5be93758266aa0a7f2c6708b7", "ebdb5cc8e0b497cd13a7c275d475c819"),
    Row("mobilenetv3small_1.0", "MobileNetV3Small", 224, 576, 2_554_968, 56_510_400, "8768d4c2e7dee89b9d02b2d03d65d862", "d3e8ec802a04aa4fc771ee12a9a9b836"),
    Row("mobilenetv3small_minimalistic", "MobileNetV3Small", 224, 576, 2_056_848, 52_288_448, "99cd97fb2fcdad2bf028eb838de69e37", "cde8136e733e811080d9fcd8a252f7e4"),
    Row("mobilenetv3large_0.75", "MobileNetV3Large", 224, 720, 4_012_616, 154_560_624, "765b44a33ad4005b3ac83185abf1d0eb", "40af19a13ebea4e2ee0c676887f69a2e"),
    Row("mobilenetv3large_1.0", "MobileNetV3Large", 224, 960, 5_507_432, 216_589_760, "59e551e166be033d707958cf9e29a6a7", "07fb09a5933dd0c8eaafa16978110389"),
    Row("mobilenetv3large_minimalistic", "MobileNetV3Large", 224, 960, 3_948_688, 209_136_704, "675e7b876c45c57e9e63e6d90a36599c", "ec5221f64a2f6d1ef965a614bdae7973"),
    Row("nasnetmobile", "NASNetMobile", 224, 1056, 5_326_716, 563_638_816, "020fb642bf7360b370c678b08e0adf61", "1ed92395b5b598bdda52abe5c0dbfd63"),
    Row("nasnetlarge", "NASNetLarge", 331, 4032, 88_949_818, 23_783_414_658, "11577c9a518f0070763c2b964a382f17", "d81d89dc07e6e56530c4e77faddd61b5"),
    Row("efficientnetb0", "EfficientNetB0", 224, 1280, 5_330_571, 385_814_752, "902e53a9f72be733fc0bcb005b3ebbac", "50bc09e76180e00e4465e1a485ddc09d"),
    Row("efficientnetb1", "EfficientNetB1", 240, 1280, 7_856_239, 686_802_832, "1d254153d4ab51201f1646940f018540", "74c4e6b3e1f6a1eea24c589628592432"),
    Row("efficientnetb2", "EfficientNetB2", 260, 1408, 9_177_569, 993_561_872, "b15cce36ff4dcbd00b6dd88e7857a6ad", "111f8e2ac8aa800a7a99e3239f7bfb39"),
    Row("efficientnetb3", "EfficientNetB3", 300, 1536, 12_320_535, 1_827_141_392, "ffd1fdc53d0ce67064dc6a9c7960ede0", "af6d107764bb5b1abb91932881670226"),
    Row("efficientnetb4", "EfficientNetB4", 380, 1792, 19_466_823, 4_393_771_024, "18c95ad55216b8f92d7e70b3a046e2fc", "ebc24e6d6c33eaebbd558eafbeedf1ba"),
    Row("efficientnetb5", "EfficientNetB5", 456, 2048, 30_562_527, 10_266_384_752, "ace28f2a6363774853a83a0b21b9421a", "38879255a25d3c92d5e44e04ae6cec6f"),
    Row("efficientnetb6", "EfficientNetB6", 528, 2304, 43_265_143, 19_067_593_536, "165f6e37dce68623721b423839de8be5", "9ecce42647a20130c1f39a5d4cb75743"),
    Row("efficientnetb7", "EfficientNetB7", 600, 2560, 66_658_687, 37_745_884_192, "8c03f828fec3ef71311cd463b6759d99", "cbcfe4450ddf6f3ad90b1b398090fe4a"),
    Row("efficientnetv2b0", "EfficientNetV2B0", 224, 1280, 7_200_312, 718_086_176, "21ecbf6da12460d5c40bb2f29ceb2188", "893217f2bb855e2983157299931e43ff"),
    Row("efficientnetv2b1", "EfficientNetV2B1", 240, 1280, 8_212_124, 1_196_819_360, "069f0534ff22adf035c89e2d9547a9dc", "0e80663031ca32d657f9caa404b6ec37"),
    Row("efficientnetv2b2", "EfficientNetV2B2", 260, 1408, 10_178_374, 1_697_542_832, "424e49f28180edbde1e94797771950a7", "1dfe2e7a5d45b6632553a8961ea609eb"),
    Row("efficientnetv2b3", "EfficientNetV2B3", 300, 1536, 14_467_622, 3_011_458_816, "1f1fc43bd98a6e4fd8fdfd551e02c7a0", "f6abf7b5849ac99a89b50dd3fd532856"),
    Row("efficientnetv2s", "EfficientNetV2S", 384, 1280, 21_612_360, 8_365_617_152, "e1d88a8495beba45748fedd0cecbe016", "af0682fb74e8c54910f2d4393339c070"),
    Row("efficientnetv2m", "EfficientNetV2M", 480, 1280, 54_431_388, 24_582_460_384, "a3bf6aa3276309f4fc6a34aa114c95cd", "1b8dc055df72dde80d614482840fe342"),
    Row("efficientnetv2l", "EfficientNetV2L", 480, 1280, 119_027_848, 56_079_699_008, "27e6d408b53c7ebc868fefa357689935", "b0b66b5c863aef5b46e8608fe1711615"),
    Row("convnexttiny", "ConvNeXtTiny", 224, 768, 28_589_128, 4_267_672_320, "8ae6e78ce2933352b1ef4008e6dd2f17bc40771563877d156bc6426c7cf503ff", "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1"),
    Row("convnextsmall", "ConvNeXtSmall", 224, 768, 50_223_688, 8_495_853_312, "ce1277d8f1ee5a0ef0e171469089c18f5233860ceaf9b168049cb9263fd7483c", "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab"),
    Row("convnextbase", "ConvNeXtBase", 224, 1024, 88_591_464, 15_027_180_544, "52cbb006d3dadd03f6e095a8ca1aca47aecdd75acb4bc74bce1f5c695d0086e6", "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45"),
    Row("convnextlarge", "ConvNeXtLarge", 224, 1536, 197_767_336, 33_638_899_200, "070c5ed9ed289581e477741d3b34beffa920db8cf590899d6d2c67fba2a198a6", "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd"),
    Row("convnextxlarge", "ConvNeXtXLarge", 224, 2048, 350_196_968, 59_649_370_112, "c1f5ccab661354fc3a79a10fa99af82f0fbf10ec65cb894a3ae0815f17a889ee", "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05"),
)
