"""Definitions of common ROS types, as recordings store them, for tests without ROS."""

import functools

import iceway

_TEXTS = {
    "builtin_interfaces/Time": "int32 sec\nuint32 nanosec\n",
    "std_msgs/Header": "builtin_interfaces/Time stamp\nstring frame_id\n",
    "std_msgs/String": "string data\n",
    "std_msgs/Empty": "",
    "geometry_msgs/Point": "float64 x\nfloat64 y\nfloat64 z\n",
    "geometry_msgs/Quaternion": "float64 x 0\nfloat64 y 0\nfloat64 z 0\nfloat64 w 1\n",
    "geometry_msgs/Pose": "Point position\nQuaternion orientation\n",
    "geometry_msgs/PoseStamped": "std_msgs/Header header\nPose pose\n",
    "geometry_msgs/PoseArray": "std_msgs/Header header\ngeometry_msgs/Pose[] poses\n",
    "geometry_msgs/PointStamped": "std_msgs/Header header\nPoint point\n",
    "nav_msgs/Path": "std_msgs/Header header\ngeometry_msgs/PoseStamped[] poses\n",
    "sensor_msgs/Image": """
std_msgs/Header header
uint32 height
uint32 width
string encoding
uint8 is_bigendian
uint32 step
uint8[] data
""",
    "sensor_msgs/CompressedImage": "std_msgs/Header header\nstring format\nuint8[] data\n",
    "sensor_msgs/PointField": """
uint8 INT8    = 1
uint8 UINT8   = 2
uint8 INT16   = 3
uint8 UINT16  = 4
uint8 INT32   = 5
uint8 UINT32  = 6
uint8 FLOAT32 = 7
uint8 FLOAT64 = 8
string name      # Name of field
uint32 offset    # Offset from start of point struct
uint8  datatype  # Datatype enumeration, see above
uint32 count     # How many elements in the field
""",
    "sensor_msgs/PointCloud2": """
std_msgs/Header header
uint32 height
uint32 width
PointField[] fields
bool    is_bigendian
uint32  point_step
uint32  row_step
uint8[] data
bool is_dense
""",
    "sensor_msgs/LaserScan": """
std_msgs/Header header
float32 angle_min
float32 angle_max
float32 angle_increment
float32 time_increment
float32 scan_time
float32 range_min
float32 range_max
float32[] ranges
float32[] intensities
""",
    "sensor_msgs/JointState": "std_msgs/Header header\nstring[] name\nfloat64[] position\nfloat64[] velocity\nfloat64[] effort\n",
    "demo_msgs/Pair": "uint8 small\nfloat64 large\n",
    "demo_msgs/Zoo": """
# one of everything
bool flag
byte b
char c
int8 i8
uint8 u8
int16 i16
uint16 u16
int32 i32
uint32 u32
int64 i64
uint64 u64
float32 f32
float64 f64
string text
string<=5 short_text
wstring wide
bool[] flags
byte[] bs
int8[] i8s
uint16[3] u16s
int64[<=4] i64s
float32[] f32s
float64[2] f64s
string[] texts
wstring[] wides
geometry_msgs/Point[] points
geometry_msgs/Point[2] two_points
demo_msgs/Pair[] pairs
std_msgs/Header[] headers
geometry_msgs/Pose pose
int32 with_default 42
string text_default "hello"
float64[] array_default [1.5, 2.5]
int32 LIMIT=7
string NAME=zoo
float32 cause
""",
}


def _full(name: str) -> str:
    package, _, short = name.rpartition("/")
    return f"{package.removesuffix('/msg')}/{short}"


def _dependencies(name: str) -> dict[str, None]:
    found: dict[str, None] = {}
    for line in _TEXTS[name].splitlines():
        word = line.partition("#")[0].strip().partition(" ")[0].partition("[")[0].partition("<")[0]
        if word and word[0].isupper():
            word = f"{name.partition('/')[0]}/{word}"
        if word in _TEXTS and word != name:
            found[word] = None
            found.update(_dependencies(word))
    return found


def definition(name: str) -> str:
    """The text of a type and of all that it needs."""
    parts = [_TEXTS[_full(name)]]
    parts += [f"MSG: {other}\n{_TEXTS[other]}" for other in _dependencies(_full(name))]
    return ("=" * 80 + "\n").join(parts)


@functools.cache
def schema(name: str) -> iceway.Schema:
    """A schema by its short name, ``sensor_msgs/Image``."""
    package, short = _full(name).split("/")
    return iceway.Schema(f"{package}/msg/{short}", definition(name))


def make(name: str, /, **fields):
    """A message of a type, from its fields."""
    kind = schema(name)
    return kind.view(kind.encode(**fields))


def big_endian(name: str, /, **fields) -> bytes:
    """A big-endian message of numbers and strings, written by a small encoder of its own."""
    import struct

    body = bytearray()

    def pad(size):
        body.extend(b"\0" * (-len(body) % size))

    def put(kind, value, described):
        base = kind
        array = None
        if kind.endswith("]"):
            base, _, length = kind[:-1].partition("[")
            array = length
        if array is not None:
            if not array or array.startswith("<="):
                pad(4)
                body.extend(struct.pack(">I", len(value)))
            for item in value:
                put(base, item, described)
            return
        codes = {
            "bool": "?",
            "byte": "B",
            "char": "B",
            "int8": "b",
            "uint8": "B",
            "int16": "h",
            "uint16": "H",
            "int32": "i",
            "uint32": "I",
        }
        codes.update(int64="q", uint64="Q", float32="f", float64="d")
        if base in codes:
            pad(struct.calcsize(codes[base]))
            body.extend(struct.pack(">" + codes[base], value))
        elif base == "string":
            pad(4)
            text = value.encode() + b"\0"
            body.extend(struct.pack(">I", len(text)) + text)
        else:
            for field, sub in described[base]:
                put(sub, value[field], described)

    kind = schema(name)
    described = {
        type_name: [(field[0], field[4]) for field in entry["fields"]]
        for type_name, entry in kind._describe().items()
    }
    for field, sub in described[kind.type_name]:
        put(sub, fields[field], described)
    return b"\0\0\0\0" + bytes(body)
