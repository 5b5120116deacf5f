"""Closed word lists behind the noun rules; all lower case.

The stop list starts from DTWREG's (https://github.com/insomnia94/DTWREG): nouns that name no thing
a box could be drawn around.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


COLOUR_WORDS = _words(
    """
    black white red green blue yellow brown gray grey pink purple beige tan blond blonde
    brunette redhead maroon turquoise teal violet khaki crimson navy golden silver colored
    coloured multicolored
    """
)

# nouns that say where a thing is; before "of" they hand over ("side of the building")
PLACES = _words(
    """
    edge end bottom top center centre middle side front back corner part piece row rear half
    foreground background portion section inside outside exterior interior beginning distance
    tip
    """
)

SIDES = _words(
    "left right leftmost rightmost north south east west upper lower far near bottommost topmost"
)

# nouns that stand for what is meant without naming it; what stands before them is no thing either
GENERIC = _words(
    """
    picture pictures pic pics photo photos photograph photographs image images shot shots view
    views thing things object objects item items one ones other others another
    day time night way kind type sort
    """
)

STOP_NOUNS = (
    COLOUR_WORDS
    | PLACES
    | SIDES
    | GENERIC
    | _words(
        """
        closeup close-up number numbers o'clock lot lots air direction action position color
        colour background
        something someone somebody anything anyone anybody everything everyone everybody nothing
        nobody first second third last next
        """
    )
)

# things when they are meant, not when they place or paint another one ("closest to the camera")
VIEWPOINTS = _words("camera viewer screen dot dots stripe stripes pattern patterns")
# "his back" is a thing, "the back" is not
OWNERS = _words("his her its their my your our s 's \u2019s")
GARMENT_TOPS = _words("tank bikini halter crop bathing pajama")

# nouns that count what follows "of": the thing is what is counted ("a group of people")
MEASURES = _words(
    """
    group groups couple pair pairs bunch crowd set sets pile piles stack stacks series herd
    flock pack number variety collection assortment array heard line lines rows pieces parts
    slice slices team body patch mass gathering trio duo handful dozen dozens hundreds majority
    kinds types bit
    """
)

# a noun stands before these, participles with an object among them; what follows is another thing
PREPOSITIONS = _words(
    """
    in on at with without near by next behind beside besides between among of from to for into
    onto under underneath beneath below above against across along through towards toward around
    over during w w/ within upon atop beyond amongst despite via wearing holding carrying facing
    using having
    """
)

# adverbs and adjectives as often as prepositions; a boundary only where the tagger says so too
DOUBTFUL_PREPOSITIONS = _words(
    "down off up out like past outside inside about as after before opposite"
)

# a clause begins
RELATIVES = _words(
    """
    that which who whom whose where when while if than because is are was were has have had be
    been does did do
    """
)

# before a number, these are part of it ("about ten people")
QUANTIFIERS = _words(
    "about around over nearly almost approximately at least most more than up to under roughly"
)
POSSESSIVES = _words("'s \u2019s ' \u2019")

PRONOUNS = _words(
    """
    i you he she it we they me him her us them this that these those himself herself itself
    themselves each both all any some none his hers its their theirs my mine your yours our ours
    who whom what which whose self
    """
)

DETERMINERS = _words("a an the no every either neither such many much more most few several")

NUMBERS = _words(
    """
    zero one two three four five six seven eight nine ten eleven twelve thirteen twenty thirty
    forty fifty hundred thousand first second third fourth fifth sixth seventh eighth ninth
    tenth 1st 2nd 3rd 4th 5th 6th once twice
    """
)

# a tagger takes some of them for nouns; they are, only where no other noun follows in the chunk
ADJECTIVES = _words(
    """
    abandoned active adorable adult african alone american ancient angry antique armed
    artificial asian asleep athletic attractive awake bald bare barefoot beautiful bent big
    bigger biggest blurred blurry bottomless brave brick bright british broken brunette burning
    busy calm canadian casual caucasian checkered cheerful chinese chubby clean clear closed
    cloudy cold colorful colourful concrete cool cowboy crazy cropped crowded curious curly
    curved cut cute dark dead deep different dirty distant double dressed dry dull dusty eager
    east elderly electric elegant empty enclosed english enormous entire excited extra fair
    fallen famous fancy fat female fenced fierce filthy flat floral flowered fluffy formal frail
    free french fresh frozen full funny furry fuzzy gentle german giant gigantic glass good
    grand grassy great grown hairy handsome happy hard heavy high hilly homemade hooded hot huge
    icy identical indian indoor injured inner interesting italian japanese joyful jumping
    kneeling korean large larger largest latin laughing leafless leaning leather lit light
    little local lone long longer longest loose loud low lush lying main male many massive
    matching mature medium metal metallic mexican middle-aged military modern mountainous muddy
    multi multiple muscular naked narrow native natural neon new nice nude odd old older oldest
    open oriental ornate outdoor outer outstretched overweight own paper paved pale partial
    partially patterned petite plaid plain plastic playful playing polka pointy pregnant pretty
    professional protective public puffy purple ragged rainy raised red reflective rear regular
    rocky rough round rubber running rural rusty sad safety same sandy scantily scrawny scruffy
    scrubby seated senior serious several shaggy shallow sharp shiny shirtless short shorter
    shortest shut silly similar simple single sitting skinny sleek sleeping
    sleeveless slender slim small smaller smallest smiling smooth snowy soapy soft soggy solo
    spanish special spotted square stainless standing steep stone straight strange striped
    strong stuffed stylish sunny sweaty tall taller tallest tattered tattooed teenage teenaged
    thick thin tied tiny tired topless toned torn traditional transparent tri-colored
    tropical twin ugly unusual unique upper upright upside urban usual vacant various vast
    vertical vibrant vintage visible walking warm wavy weathered western wet whole wide wild
    windy winter wooded wooden worn young younger youngest
    """
)

# one noun, several things
GROUPS = _words(
    """
    group couple crowd band team family pair crew audience trio duo herd flock choir orchestra
    class congregation committee army troop gang squad crowds bunch gathering duet quartet
    """
)

# numbers above one; before a noun they count it, unless they name or measure
NUMERALS = _words("two three four five six seven eight nine ten eleven twelve dozen twenty")

# before a noun they mean more than one thing
QUANTITIES = _words("several many both few some multiple various numerous all couple")

ORDINALS = _words(
    """
    first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth last
    """
)

# what a number behind them names: "number 7", "# 5", "$ 5", "jersey 10"
NUMBERED = _words(
    """
    # \u2116 $ \u20ac \u00a3 number numbers numbered num no nos nr size sizes jersey uniform player
    row lane gate route platform track level floor grade age aged channel exit aisle section room
    unit model version chapter page highway interstate seat zone pier
    """
)

# what a number before them measures: "5 year old", "20 inch", "9 o'clock", "2 story"
UNITS = _words(
    """
    year years yr yrs y yo month months week weeks day days hour hours hr hrs minute minutes min
    o oclock clock am pm a.m p.m foot feet ft inch inches mm cm m meter meters metre metres
    mile miles mph kmh km kilometer kilometers kilometre kilometres yard yards yd lb lbs pound
    pounds kg kilo kilos gram grams g oz ounce ounces liter liters litre litres gallon gallons
    pint quart ton tons watt volt cc ml percent degree degrees dollar dollars cent cents euro
    euros pence story storey level tier layer piece ply quarter quarters thirds fifths way speed
    door star point tone toned sided colored coloured
    """
)

# nouns whose plural is the same word, and garments and tools in pairs
PLURALS_ALIKE = _words(
    """
    glasses sunglasses eyeglasses goggles binoculars scissors shears tongs pliers tweezers pants
    jeans shorts trousers overalls khakis slacks tights leggings pajamas pyjamas sweats
    sweatpants scrubs clothes stairs headphones series species sheep deer reindeer fish moose elk
    bison buffalo antelope caribou cattle swine poultry livestock offspring swiss trout salmon
    tuna cod carp shrimp squid police staff fruit bread luggage baggage furniture broccoli toast
    """
)
ALIKE_ENDINGS = ("fish", "sheep", "craft")

# "the taller of the two men" is one of them
COMPARATIVES = _words(
    """
    taller shorter bigger smaller larger older younger longer closer nearer farther further
    higher darker lighter brighter thinner fatter wider
    """
)
EST_NOUNS = _words(
    """
    rest west northwest southwest midwest forest rainforest nest chest crest vest guest priest
    harvest contest test quest pest request protest interest conquest arrest fest
    """
)

ADVERBS = _words(
    """
    close just very really far away together apart outdoors indoors outside inside there here nearby
    ahead next closest nearest closer nearer farthest farther furthest most only also enough
    down today again downhill uphill
    """
)

# gerunds that are things, so an -ing word after a noun may still be its head
ING_NOUNS = _words(
    """
    building railing ceiling clothing painting wing ring string king swing earring awning sling
    drawing lettering writing thing evening morning fencing flooring siding crossing opening
    clearing landing covering wrapping icing frosting dressing stuffing topping pudding wedding
    meeting gathering spring bedding lighting housing carving parking scaffolding rigging
    setting outcropping sing viking herring duckling sibling darling marking tubing netting
    padding dumpling feeding outing banking shilling plumbing wiring filling serving
    offspring
    """
)

# verbs that look like a noun's place at the end ("where people walk")
BASE_VERBS = _words(
    """
    sit stand walk run jump play look watch eat ride talk wait wear hold face lie lay lean go
    come get make take put have be do sleep smile laugh perform compete work swim climb race
    """
)

# a noun of these is no modifier of a later one: "the man red hat"
ANIMATES = _words(
    """
    man woman boy girl guy lady person kid child baby toddler player dude gentleman couple
    people male female dog cat horse cow sheep bird elephant zebra giraffe bear catcher batter
    pitcher umpire skier surfer rider skateboarder snowboarder chef officer bride groom mother
    father mom dad
    """
)

# two words whose last one means another thing alone
COMPOUNDS = frozenset(
    {
        "teddy bear", "stuffed bear", "fire hydrant", "hot dog", "stop sign", "traffic light",
        "parking meter", "ice cream", "wine glass", "hair dryer", "hair drier", "baseball bat",
        "baseball glove", "cell phone", "remote control", "toilet paper", "potted plant",
        "dining table", "computer mouse", "sea lion", "polar bear", "beer glass", "hot tub",
        "stop light", "fire truck", "sports ball", "tennis racket", "tennis racquet",
        "tank top", "halter top", "life jacket", "ferris wheel", "guinea pig", "sun glasses",
    }
)  # fmt: skip
