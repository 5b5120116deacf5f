"""The nouns of captions that mean each of COCO's 80 classes.

Synonyms and kinds of the thing, singular and lower case as the nouns stage writes them, collected
for captions of photographs. Only nouns whose box is that of the class: a "crowd" is people, a
"shirt" is not. The table is Python, not a data file, so that DVC tracks it as code.
"""

# class: nouns beside its own name; `_` is a space
_TABLE = """
person: official vaulter man woman boy girl child kid guy lady baby toddler infant
  gentleman dude fellow gal adult teenager teen teenage youth youngster kiddo tot newborn player
  batter catcher pitcher umpire referee athlete runner jogger swimmer diver surfer skier
  snowboarder skateboarder skater biker cyclist bicyclist motorcyclist rider horseman cowboy
  cowgirl jockey racer driver passenger pedestrian commuter worker laborer employee chef cook
  waiter waitress bartender server vendor seller salesman customer shopper officer cop policeman
  policewoman police fireman firefighter soldier guard lifeguard marine sailor captain pilot
  doctor nurse dentist teacher student pupil graduate classmate musician guitarist drummer singer
  pianist violinist bassist performer entertainer actor actress dancer ballerina clown mime
  acrobat gymnast cheerleader band couple family group crowd audience spectator onlooker bystander
  viewer team teammate opponent competitor contestant participant individual human friend brother
  sister sibling twin mother father mom mommy mum dad daddy parent grandmother grandma grandfather
  grandpa grandparent son daughter wife husband bride groom bridesmaid groomsman boyfriend
  girlfriend male female caucasian african asian indian american tourist traveler traveller
  visitor hiker backpacker climber camper explorer adventurer fisherman hunter farmer gardener
  carpenter builder painter artist photographer cameraman businessman businesswoman president
  priest monk nun preacher bishop santa elf princess prince king queen model wrestler fighter
  golfer bowler goalie goalkeeper quarterback fielder baseman shortstop outfielder linebacker
  receiver defender hitter kicker footballer wakeboarder kayaker rower canoeist paddler boater
  snorkeler sledder rollerblader rollerskater skydiver paraglider boarder windsurfer waterskier
  preschooler schoolgirl schoolboy schoolchild brunette blond blonde redhead hippie beggar
  protester protestor demonstrator marcher speaker reporter judge coach instructor trainer leader
  manager boss crew mechanic plumber welder electrician janitor maid cleaner barber hairdresser
  butcher baker cashier clerk librarian scientist patient victim stranger neighbor guest host
  hostess owner buyer walker sitter member foreigner resident citizen conductor engineer operator
  repairman handyman craftsman potter sculptor juggler magician superhero spiderman batman geisha
  matador bullfighter swordsman ninja samurai warrior knight pirate reveler dj rapper busker
  stuntman daredevil
bicycle: bike cycle tricycle bmx ten-speed unicycle pushbike mountain-bike
car: automobile auto suv sedan taxi cab van minivan convertible jeep vehicle hatchback coupe
  racecar race-car police-car limousine limo wagon hummer
motorcycle: vehicle motorbike moped scooter dirtbike dirt-bike harley quad vespa
airplane: plane aeroplane aircraft jet jetliner airliner biplane seaplane
bus: vehicle trolley double-decker minibus schoolbus
train: locomotive railcar subway tram streetcar caboose
truck: vehicle pickup lorry semi tractor-trailer firetruck tow-truck trailer dump-truck
  pickup-truck fire_truck
boat: ship canoe kayak sailboat raft yacht ferry rowboat motorboat speedboat gondola vessel dinghy
  barge tugboat catamaran paddleboat houseboat lifeboat steamboat
traffic light: stoplight stop-light signal stop_light
fire hydrant: hydrant fireplug
stop sign: stop-sign
parking meter: meter
bench: pew
bird: animal pigeon duck goose seagull gull swan parrot chicken rooster hen turkey owl eagle hawk
  penguin flamingo pelican peacock ostrich crow heron stork duckling sparrow parakeet cockatoo
  falcon crane dove egret seabird waterfowl
cat: animal pet kitten kitty feline tabby
dog: animal pet puppy pup doggy doggie canine hound greyhound poodle terrier retriever labrador
  lab shepherd collie bulldog beagle dachshund chihuahua corgi pug husky rottweiler dalmatian
  spaniel boxer mutt pitbull pit-bull dane mastiff schnauzer sheepdog doberman whippet setter
  pointer malamute pomeranian samoyed sheltie yorkie weimaraner akita bloodhound
horse: animal pony mare stallion colt foal bronco bronc mustang donkey mule
sheep: animal lamb ram ewe goat
cow: animal bull cattle calf ox steer heifer buffalo bison yak longhorn livestock
elephant: animal
bear: animal grizzly panda cub polar_bear
zebra: animal
giraffe: animal
backpack: bookbag knapsack rucksack
umbrella: parasol
handbag: purse bag satchel clutch tote pocketbook
tie: necktie bowtie
suitcase: luggage baggage briefcase
frisbee: disc disk
skis: ski
snowboard:
sports ball: ball basketball football baseball volleyball softball rugby-ball soccer-ball
  tennis-ball soccerball beachball beach-ball kickball
kite:
baseball bat: bat
baseball glove: glove mitt
skateboard: skate longboard
surfboard: bodyboard wakeboard boogie-board boogieboard paddleboard board
tennis racket: racket racquet tennis_racquet
bottle:
wine glass: wineglass goblet glass champagne beer_glass
cup: mug beverage drink coffee
fork:
knife:
spoon: ladle
bowl:
banana: fruit
apple: fruit
sandwich: burger hamburger hoagie panini
orange: fruit tangerine
broccoli:
carrot:
hot dog: hotdog hot-dog frankfurter
pizza:
donut: doughnut
cake: cupcake
chair: stool armchair recliner highchair seat lawn-chair wheelchair
couch: sofa loveseat futon
potted plant: plant houseplant potted-plant
bed: mattress cot crib bunk
dining table: table desk picnic-table
toilet: urinal commode
tv: television monitor screen
laptop: computer macbook
mouse: computer-mouse computer_mouse
remote: controller remote_control
keyboard:
cell phone: phone cellphone telephone smartphone iphone cell mobile
microwave:
oven: stove
toaster:
sink: washbasin
refrigerator: fridge
book: magazine novel textbook notebook bible
clock:
vase: urn
scissors: shears
teddy bear: stuffed-animal plush stuffed_bear
hair drier: hairdryer hair-dryer hair_dryer
toothbrush:
"""


def read_table(table: str) -> dict[str, frozenset[str]]:
    """Return the nouns of each class, including its own name."""
    lines = table.strip().replace("\n  ", " ").splitlines()
    rows = (line.partition(":") for line in lines)
    return {
        label: frozenset({label, *(word.replace("_", " ") for word in nouns.split())})
        for label, _, nouns in rows
    }


COCO_NOUNS = read_table(_TABLE)
